/* node_keys.h - a node's secrets, and what it asks the authority to sign.
 *
 *   Errors   ERR_DENIED a secret file that others may read; ERR_EXISTS a file that must not be
 *            overwritten; ERR_FORMAT, ERR_VERSION, ERR_DAMAGED; those of durable.h
 *   Memory   locked, and wiped by node_keys_destroy
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_NODE_KEYS_H
#define ECBAK_NODE_TRUST_NODE_KEYS_H

#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/cert.h"

/* A node's secrets: file `node.key`, mode 0600. */
struct node_keys {
    uint8_t sign_secret[64]; /* Ed25519; its public half is the node id */
    struct node_id node;
    uint8_t curve_secret[32];
    uint8_t curve_public[32];
};
struct node_keys *node_keys_new(void); /* fresh random keys */
/* The same identity with another CURVE key: what a rotation of keys changes. */
struct node_keys *node_keys_rotated(const struct node_keys *keys);
void node_keys_destroy(struct node_keys **keys);
int node_keys_save(const struct node_keys *keys, const char *path,
                   struct err *err) MUST_CHECK; /* never overwrites */
int node_keys_load(struct node_keys **keys, const char *path, struct err *err) MUST_CHECK;

/* Who a node is, as it proves it to others. Borrows all. */
struct credentials {
    const struct node_keys *keys;
    const struct cert *cert;
    const uint8_t *authority_public; /* 32 bytes */
};

/* What a node asks the authority to sign: one line "ecbak-request-1:BASE64" {node id, CURVE key,
 * name, zone, self-signature}, so that nobody can have another node's key signed as their own. */
int cert_request(char line[CERT_ARMOR_MAX], const struct node_keys *keys, const char *name,
                 const char *zone, struct err *err) MUST_CHECK;
/* Checks the self-signature; fills node, curve, name, zone of c. */
int cert_request_read(struct cert *c, const char *line, struct err *err) MUST_CHECK;

#endif
