/* cert.h - who is who in a cluster: certificates of nodes.
 *
 * The operator's authority (an Ed25519 key) signs one certificate a node. A certificate binds the
 * node's stable id (its Ed25519 public key) to the CURVE key that its connections prove, to its
 * name and its zone, between two dates.
 *
 *   Units    dates in seconds since 1970 (UTC)
 *   Limits   name and zone 1 to CERT_NAME_MAX bytes of [A-Za-z0-9._-]; encoded CERT_BYTES_MAX
 *   Errors   ERR_FORMAT malformed; ERR_VERSION unknown version; ERR_DAMAGED bad signature;
 *            ERR_FOREIGN another cluster; ERR_DENIED outside its dates
 *   Memory   plain values
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_CERT_H
#define ECBAK_NODE_TRUST_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define CERT_NAME_MAX  31
#define CERT_BYTES_MAX 256
#define CERT_ARMOR_MAX 512          /* one line of text, with its final NUL */
#define CERT_SOON_S    (30 * 86400) /* people are told when it ends within this time */
#define CERT_SLACK_S   300          /* clocks may differ by this much at not_before */

struct cert {
    struct cluster_id cluster; /* BLAKE2b-256 of the authority's public key */
    struct node_id node;       /* Ed25519 public key: the node's id */
    uint8_t curve[32];         /* the CURVE public key it proves on every connection */
    uint64_t serial;
    int64_t not_before_s;
    int64_t not_after_s;
    char name[CERT_NAME_MAX + 1];
    char zone[CERT_NAME_MAX + 1];
    uint8_t signature[64];
};

/* Encodes c (signature included) into bytes; the length goes to *size. */
int cert_encode(const struct cert *c, uint8_t bytes[CERT_BYTES_MAX], size_t *size,
                struct err *err) MUST_CHECK;
/* Structure only: nothing about who signed it. */
int cert_decode(struct cert *c, const uint8_t *bytes, size_t size, struct err *err) MUST_CHECK;
/* Signed by this authority, and of its cluster. Dates are cert_check_dates'. */
int cert_check(const struct cert *c, const uint8_t authority_public[32],
               struct err *err) MUST_CHECK;
int cert_check_dates(const struct cert *c, int64_t now_s, struct err *err) MUST_CHECK;
/* Fills cluster and signature. */
int cert_sign(struct cert *c, const uint8_t authority_secret[64], struct err *err) MUST_CHECK;

/* One line of text: "ecbak-certificate-1:BASE64". */
int cert_armor(char line[CERT_ARMOR_MAX], const struct cert *c, struct err *err) MUST_CHECK;
int cert_unarmor(struct cert *c, const char *line, struct err *err) MUST_CHECK;
/* From a file that holds that line. Structure only, as cert_decode. */
int cert_load(struct cert *c, const char *path, struct err *err) MUST_CHECK;

/* What may be a name or a zone. */
bool cert_name_valid(const char *name);

/* What a node in a virtual machine calls its zone that cannot find out its physical host (see
 * node/config/zone.h): CERT_ZONE_LAN with "-" and 8 digits, or CERT_ZONE_VM. Whoever shows a zone may
 * say then that somebody may know better. */
#define CERT_ZONE_LAN "lan"
#define CERT_ZONE_VM  "vm"
bool cert_zone_guessed(const char *zone);

void cluster_id(struct cluster_id *cluster, const uint8_t authority_public[32]);

#endif
