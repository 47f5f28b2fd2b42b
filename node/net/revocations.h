/* revocations.h - the revocations that this node knows, and DATA/revocations, where it keeps them.
 *
 * The set only grows by what the authority signed, and shrinks by what has become pointless: a
 * revocation is forgotten when every certificate that it is about has expired by itself. So any two
 * members that unite their sets have the same one, and its digest is the same.
 *
 * Beside each revocation lies where the node's bulk socket was last known to be: what it holds may
 * still be fetched, also by members that start after it was shut out. That is a hint, unsigned.
 *
 *   Limits   REVOCATIONS_MAX
 *   Errors   ERR_FULL; those of node/trust/revocation.h and node/common/durable.h
 *   Durable  what was added, once revocations_save returned 0
 *   Threads  any; NULL is the empty set for the functions that only ask. Only revocations_save and
 *            revocations_open wait for a disk, and nobody who only asks waits for them
 */
#ifndef ECBAK_NODE_NET_REVOCATIONS_H
#define ECBAK_NODE_NET_REVOCATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/trust/revocation.h"

#define REVOCATIONS_MAX         1024
#define REVOCATION_ADDRESS_SIZE 72 /* host:port, with its final NUL */

struct revocations;

struct revoked {
    struct revocation revocation;
    char bulk[REVOCATION_ADDRESS_SIZE]; /* empty: not known */
};

/* Two sets with equal digests are equal. */
struct revocation_digest {
    uint64_t digest;
    uint32_t count;
};

/* A file that is not there is an empty set; what in it does not prove itself is left out, and
 * *dropped counts it: the other members have it too. */
int revocations_open(struct revocations **set, const char *path, const uint8_t authority_public[32],
                     int64_t now_s, size_t *dropped, struct err *err) MUST_CHECK;
/* The same from bytes in memory: adds what proves itself; false when they are no whole file. */
bool revocations_read(struct revocations *set, const uint8_t *bytes, size_t size, int64_t now_s,
                      size_t *dropped);
void revocations_close(struct revocations **set);

/* Takes one in after proving it, with effect from now on; *added: it was new and still matters.
 * bulk may be NULL or empty. */
int revocations_add(struct revocations *set, const uint8_t *bytes, size_t size, const char *bulk,
                    int64_t now_s, bool *added, struct err *err) MUST_CHECK;
/* Where that node's bulk socket is. Ignored for a node that is not in the set. */
void revocations_place(struct revocations *set, const struct node_id *node, const char *bulk);
/* Forgets what has become pointless. */
void revocations_forget(struct revocations *set, int64_t now_s);
/* Writes the file when something changed since it was last written. */
int revocations_save(struct revocations *set, struct err *err) MUST_CHECK;

/* Is this certificate revoked? Then *which (may be NULL) says more. */
bool revocations_cover(struct revocations *set, const struct node_id *node, const uint8_t curve[32],
                       uint64_t serial, struct revocation *which);
/* The same as an error: ERR_DENIED, with the reason. */
int revocations_check(struct revocations *set, const struct node_id *node, const uint8_t curve[32],
                      uint64_t serial, struct err *err) MUST_CHECK;
struct revocation_digest revocations_digest(struct revocations *set);
/* A copy of all, to be freed. */
size_t revocations_list(struct revocations *set, struct revoked **list);

#endif
