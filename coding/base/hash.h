/* hash.h - BLAKE2b-256, told apart by purpose.
 *
 * Every hash in a format has a purpose (BLAKE2b's personalisation, 16 bytes), so that the hash of
 * one kind of thing can never be taken for that of another.
 *
 *   Memory   borrows every buffer
 *   Threads  any; call sodium_init() once before, it picks the fast implementation
 */
#ifndef ECBAK_CODING_BASE_HASH_H
#define ECBAK_CODING_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE         32
#define HASH_PURPOSE_SIZE 16

/* `purpose` is a text of at most HASH_PURPOSE_SIZE bytes; shorter ones are padded with zeros. */
void hash_bytes(uint8_t hash[HASH_SIZE], const char *purpose, const void *bytes, size_t size);

#endif
