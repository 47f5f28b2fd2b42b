/* blake2b_x4.h - four BLAKE2b-256 hashes at once, one in each lane of a vector register.
 *
 * For messages of one size the four computations are the same but for their data, so a processor with
 * 256-bit vectors does four in the time of less than two. The result is that of hash_bytes().
 *
 *   Memory   borrows every buffer
 *   Threads  any
 *   Source   RFC 7693
 */
#ifndef ECBAK_CODING_BLAKE2B_X4_H
#define ECBAK_CODING_BLAKE2B_X4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLAKE2B_X4_LANES 4

/* Whether this processor can. */
bool blake2b_x4_available(void);

/* hashes[i] = hash_bytes(purpose, bytes[i], size), for four. Only when available. */
void blake2b_x4(uint8_t *const hashes[BLAKE2B_X4_LANES], const char *purpose,
                const uint8_t *const bytes[BLAKE2B_X4_LANES], size_t size);

#endif
