/* Trailers as a disk may give them back: refused, or read within their limits and written the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "coding/base/hash.h"
#include "node/store/trailer.h"
#include "node/trust/grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *bytes, size_t size)
{
    struct trailer trailer;
    uint8_t again[TRAILER_SIZE_MAX];
    struct err err;
    if (trailer_decode(&trailer, bytes, size, &err) != 0)
        return;
    if (trailer.grant_size > GRANT_BYTES_MAX || trailer.holders.count > HOLDERS_MAX)
        abort();
    if (trailer_encode(again, &trailer) != size || memcmp(again, bytes, size) != 0)
        abort(); /* one trailer has one encoding */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() < 0)
        abort();
    decode(data, size);
    /* Its digest stops random bytes, so the same again with the right one. */
    uint8_t *proper = malloc(size + HASH_SIZE);
    if (proper == NULL)
        abort();
    memcpy(proper, data, size);
    hash_bytes(proper + size, "ecbak trailer 2", data, size);
    decode(proper, size + HASH_SIZE);
    free(proper);
    return 0;
}
