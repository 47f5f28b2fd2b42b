/* revoke.h - revocations come in and travel: from a command, and from members that know others.
 *
 * Each member's gossip carries the digest of the revocations it knows. Whoever sees another digest
 * than its own asks that member for its list, proves each, and unites; its own digest then changes,
 * and so on until all are equal. Nobody has to reach every node, and a node that was away learns
 * what it missed from whichever member it meets first.
 *
 *   Limits   one question a second, REVOCATIONS_MAX in an answer
 *   Threads  revoke_here any; revoke_tick one
 */
#ifndef ECBAK_NODE_SYNC_REVOKE_H
#define ECBAK_NODE_SYNC_REVOKE_H

#include "node/peers/peer.pb-c.h"
#include "node/peers/peers.h"

/* Lists that brought nothing, so that they are not asked for again: digests of {member, its
 * digest, ours}. */
#define REVOKE_MEMORY 256
struct revoke_memory {
    uint64_t tried[REVOKE_MEMORY];
    int64_t forget_ms; /* when next to look for what has become pointless */
    bool complained;   /* that the file cannot be written */
};

/* Opens peers->revocations, in the data directory. */
int revoke_open(struct peers *peers, const char *data_dir, const uint8_t authority_public[32],
                struct err *err) MUST_CHECK;
/* Proves one, keeps it durably, and lets it have effect. It has effect also when it cannot be
 * written, or the data directory is not this node's: then -1 says why. */
int revoke_here(struct peers *peers, const uint8_t *bytes, size_t size, bool *added,
                struct err *err) MUST_CHECK;
/* Takes in those of another member's list that prove themselves, whatever the others are: newer
 * members may know a version that we do not. Returns how many were new to us. */
size_t revoke_unite(struct revocations *set, const Ecbak__ListRevocationsReply *list,
                    const char *teller);
/* Asks one member that knows other revocations, if there is one. */
void revoke_tick(struct peers *peers, struct revoke_memory *memory);

#endif
