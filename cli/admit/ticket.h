/* ticket.h - a line of text that admits one machine.
 *
 * It says where the inviting process listens, by which CURVE key it is known, and carries a random
 * token that this process takes once. Whoever has the line may join in its time, so it is a secret
 * until it was used. Seeds are not in it: they come with the certificate, as they are then.
 *
 *   Units    seconds since 1970 (UTC)
 *   Limits   TICKET_ADDRESSES_MAX addresses; TICKET_ARMOR_MAX characters
 *   Errors   ERR_KEY cut, mistyped or expired; ERR_VERSION; ERR_DENIED this machine's clock is
 *            wrong; ERR_USAGE an address that is none
 *   Memory   plain values
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_CLI_ADMIT_TICKET_H
#define ECBAK_CLI_ADMIT_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/trust/cert.h"

#define TICKET_TOKEN_SIZE    16
#define TICKET_ADDRESSES_MAX 4
#define TICKET_ADDRESS_SIZE  64 /* host:port, with its final NUL */
#define TICKET_ARMOR_MAX     640
#define TICKET_SECONDS_MAX   (7 * 86400)

struct ticket {
    uint8_t authority[32]; /* the public key that the certificate must be signed with */
    uint8_t curve[32];     /* what the inviting process proves */
    uint8_t token[TICKET_TOKEN_SIZE];
    int64_t made_s, expires_s;
    char name[CERT_NAME_MAX + 1]; /* empty: the machine's own choice */
    char zone[CERT_NAME_MAX + 1];
    char addresses[TICKET_ADDRESSES_MAX][TICKET_ADDRESS_SIZE];
    size_t address_count;
};

int ticket_armor(char line[TICKET_ARMOR_MAX], const struct ticket *ticket,
                 struct err *err) MUST_CHECK;
int ticket_unarmor(struct ticket *ticket, const char *line, struct err *err) MUST_CHECK;
/* Is it good now, by this machine's clock? */
int ticket_check_dates(const struct ticket *ticket, int64_t now_s, struct err *err) MUST_CHECK;

#endif
