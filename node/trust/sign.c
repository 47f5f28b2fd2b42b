/* Ed25519 reads its message twice, so context and body must lie together: bodies are small (the
 * largest, a record, is bounded by RECORD_BYTES_MAX), a copy is cheap beside the curve. */
#include "node/trust/sign.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

static uint8_t *joined(const char *context, const uint8_t *body, size_t size, size_t *total)
{
    size_t length = strlen(context) + 1;
    uint8_t *message = alloc_zero(length + size, 1);
    memcpy(message, context, length);
    if (size > 0)
        memcpy(message + length, body, size);
    *total = length + size;
    return message;
}

void sign_body(uint8_t signature[SIGN_SIZE], const char *context, const uint8_t *body, size_t size,
               const uint8_t secret[SIGN_SECRET_SIZE])
{
    size_t total;
    uint8_t *message = joined(context, body, size, &total);
    crypto_sign_detached(signature, NULL, message, total, secret);
    free(message);
}

bool sign_check(const uint8_t signature[SIGN_SIZE], const char *context, const uint8_t *body,
                size_t size, const uint8_t public_key[SIGN_PUBLIC_SIZE])
{
    size_t total;
    uint8_t *message = joined(context, body, size, &total);
    int result = crypto_sign_verify_detached(signature, message, total, public_key);
    free(message);
    return result == 0;
}
