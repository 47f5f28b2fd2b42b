/* claim.h - what members say of themselves, and what they accuse others of.
 *
 * Both are signed and travel from member to member unchanged, so they are laid out once, kept as
 * they came, and read in place. PROTOCOL.md has the same tables.
 *
 * A claim is by a member about itself: alive, left, or away for a while. Nobody else can make
 * one.
 *
 *     offset  size  field
 *          0     1  format, 1
 *          1     1  state: 0 alive, 3 left, 4 away
 *          2     3  protocol versions: lowest, current, highest
 *          5     3  zero
 *          8     8  incarnation, 1 ... SWIM_INCARNATION_MAX
 *         16     8  session, one for each start of the process: its time in milliseconds since 1970 in
 *                   the upper 44 bits, chance in the others
 *         24     4  away: milliseconds, else zero
 *         28    32  id
 *         60     1  size of the name, a; at least 1
 *         61   a+1  name, ending in NUL
 *          -     1  size of the address, b; at least 1
 *          -   b+1  address, ending in NUL
 *          -     2  size of the metadata, c
 *          -     c  metadata
 *          -    64  signature over "ecbak swim statement" and all of the above
 *
 * An accusation is by one member about another: it does not answer (suspect), or my timer ran out
 * too (dead). It counts only against the claim with exactly that incarnation.
 *
 *          0     1  format, 1
 *          1     1  1 suspect, 2 dead
 *          2     6  zero
 *          8     8  incarnation of the accused
 *         16    32  id of the accused
 *         48    32  id of the accuser
 *         80    64  signature over "ecbak swim accusation" and all of the above
 *
 * Numbers are little-endian.
 */
#ifndef ECBAK_GOSSIP_CLAIM_H
#define ECBAK_GOSSIP_CLAIM_H

#include "gossip/swim.h"

#define ACCUSATION_SIZE 144

/* Views into the bytes that were parsed. */
struct claim {
    enum swim_state state;
    uint8_t version_min, version, version_max;
    uint64_t incarnation;
    uint64_t session;
    uint32_t away_ms;
    struct node_id id;
    const char *name;
    const char *address;
    const uint8_t *metadata;
    size_t metadata_size;
};

struct accusation {
    enum swim_state state; /* SWIM_SUSPECT or SWIM_DEAD */
    uint64_t incarnation;
    struct node_id accused;
    struct node_id accuser;
};

/* 0 when the bytes are a well-formed claim within all limits; says nothing of its signature. */
int claim_parse(struct claim *claim, const uint8_t *bytes, size_t size) MUST_CHECK;

struct protocol claim_protocol(const struct claim *claim);

/* Lay out and sign; `bytes` holds SWIM_CLAIM_MAX. Returns the size. */
size_t claim_encode(const struct claim *claim, const struct swim_ops *ops, uint8_t *bytes);

bool claim_verify(const struct claim *claim, const struct swim_ops *ops, const uint8_t *bytes,
                  size_t size);

int accusation_parse(struct accusation *accusation, const uint8_t *bytes, size_t size) MUST_CHECK;
void accusation_encode(const struct accusation *accusation, const struct swim_ops *ops,
                       uint8_t bytes[ACCUSATION_SIZE]);
bool accusation_verify(const struct accusation *accusation, const struct swim_ops *ops,
                       const uint8_t bytes[ACCUSATION_SIZE]);

#endif
