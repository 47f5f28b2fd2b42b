/* signature.h - a signature that anybody could compute, but nobody in a simulation does.
 *
 * The cores must call sign and verify in the right places; how strong the signature is does not
 * matter to them. So it is a hash, a thousand times cheaper than Ed25519.
 *
 *   Context  a struct sim_context, the signer's
 */
#ifndef ECBAK_TEST_SIM_SIGNATURE_H
#define ECBAK_TEST_SIM_SIGNATURE_H

#include <string.h>

#include "gossip/prng.h"
#include "gossip/swim.h"

struct world;

/* What the ops of a node are given. */
struct sim_context {
    struct world *world;
    uint32_t index; /* of the node */
    struct node_id id;
};

static inline uint64_t sim_hash(const void *bytes, size_t size, uint64_t hash)
{
    const uint8_t *at = bytes;
    uint64_t word;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0x9fb21c651e98df25u;
        hash ^= hash >> 32;
    }
    word = size;
    for (size_t i = 0; i < size; i++)
        word = word << 8 | at[i];
    return prng_mix(hash ^ word);
}

static inline void sim_signature(const struct node_id *id, const void *body, size_t size,
                                 uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    uint64_t words[SWIM_SIGNATURE_SIZE / 8];
    uint64_t hash = sim_hash(body, size, sim_hash(id->bytes, ID_SIZE, 7));
    for (size_t i = 0; i < SWIM_SIGNATURE_SIZE / 8; i++)
        words[i] = hash + i;
    memcpy(signature, words, sizeof(words));
}

static inline void sim_sign(void *context, const void *body, size_t size,
                            uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    const struct sim_context *sim = context;
    sim_signature(&sim->id, body, size, signature);
}

static inline bool sim_verify(void *context, const struct node_id *signer, const void *body,
                              size_t size, const uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    uint8_t expected[SWIM_SIGNATURE_SIZE];
    (void)context;
    sim_signature(signer, body, size, expected);
    return memcmp(expected, signature, sizeof(expected)) == 0;
}

#endif
