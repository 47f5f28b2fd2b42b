/* libsodium's BLAKE2b with its personalisation parameter: no prefix has to be copied before the
 * data. */
#include "coding/base/hash.h"

#include <assert.h>
#include <sodium.h>

void hash_bytes(uint8_t hash[HASH_SIZE], const char *purpose, const void *bytes, size_t size)
{
    uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = {0};
    for (size_t i = 0; purpose[i] != '\0'; i++) {
        assert(i < sizeof(personal));
        personal[i] = (uint8_t)purpose[i];
    }
    int failed = crypto_generichash_blake2b_salt_personal(hash, HASH_SIZE, bytes, size, NULL, 0,
                                                          NULL, personal);
    assert(failed == 0);
    (void)failed;
}
