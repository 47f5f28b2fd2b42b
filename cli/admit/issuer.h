/* issuer.h - what an authority has signed, and what it may sign.
 *
 * Two lists beside the authority's key, one armored line an entry, only ever appended to:
 *
 *   DIR/issued    every certificate
 *   DIR/revoked   every revocation
 *
 * Beside them DIR/tickets: which machines were admitted by a ticket, and when, for people to read.
 *
 * A line is on disk before it is handed out, so nothing that the authority signed is unknown to it.
 *
 *   Limits   ISSUER_LINES_MAX lines a list
 *   Errors   ERR_DENIED a revoked node or key; ERR_EXISTS a name that another node has; those of
 *            node/trust/cert.h
 *   Memory   the secret lies in locked memory until issuer_close
 *   Threads  one; other processes wait in issuer_open until issuer_close
 */
#ifndef ECBAK_CLI_ADMIT_ISSUER_H
#define ECBAK_CLI_ADMIT_ISSUER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/trust/cert.h"
#include "node/trust/revocation.h"

#define ISSUER_LINES_MAX    100000
#define ISSUER_DAYS_DEFAULT 3650
#define ISSUER_DAYS_MAX     36500

struct issuer;

int issuer_open(struct issuer **issuer, const char *dir, struct err *err) MUST_CHECK;
void issuer_close(struct issuer **issuer);
/* 32 bytes. */
const uint8_t *issuer_public(const struct issuer *issuer);

struct issuer_terms {
    const char *name, *zone; /* NULL: as the request says */
    uint64_t days;
    bool replace; /* also a name that another node has */
};

/* Signs a request; *replaced, when the name was another node's, gets that certificate (its node is
 * zero else). */
int issuer_sign(struct issuer *issuer, const char *request, const struct issuer_terms *terms,
                struct cert *cert, struct cert *replaced, struct err *err) MUST_CHECK;

/* Writes down, in DIR/tickets, that a ticket was used by this machine. */
int issuer_note_ticket(struct issuer *issuer, const struct cert *admitted,
                       struct err *err) MUST_CHECK;

/* Whom `what` names: a certificate's line, a name, a node id (or at least 8 digits of one) that was
 * issued, or a whole id that was not. */
int issuer_find(const struct issuer *issuer, const char *what, struct cert *cert,
                struct err *err) MUST_CHECK;
/* Revokes the node of that certificate, or that certificate alone. One that is revoked already
 * gives what was signed then. */
int issuer_revoke(struct issuer *issuer, const struct cert *cert, bool only_this,
                  const char *reason, struct revocation *revocation, struct err *err) MUST_CHECK;

#endif
