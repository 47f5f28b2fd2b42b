/* prng.h - the pseudo-random numbers of a core: xoshiro256**, seeded from one number.
 *
 * Good for shuffling and choosing, not for secrets. The same seed gives the same numbers, which is
 * what lets the simulator replay a run.
 */
#ifndef ECBAK_GOSSIP_PRNG_H
#define ECBAK_GOSSIP_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);

/* Evenly in 0 ... bound - 1; 0 when bound is 0. */
uint32_t prng_below(struct prng *prng, uint32_t bound);

/* A bijection of 64 bits that leaves no pattern (splitmix64's finisher). */
uint64_t prng_mix(uint64_t value);

#endif
