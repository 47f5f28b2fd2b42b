/* sign.h - Ed25519 over a context and a body.
 *
 * The context (with its final NUL) goes before the body, so that bytes signed as one kind of
 * statement can never pass as another.
 *
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_SIGN_H
#define ECBAK_NODE_TRUST_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGN_SIZE        64
#define SIGN_PUBLIC_SIZE 32
#define SIGN_SECRET_SIZE 64 /* libsodium's: seed, then public key */

void sign_body(uint8_t signature[SIGN_SIZE], const char *context, const uint8_t *body, size_t size,
               const uint8_t secret[SIGN_SECRET_SIZE]);
bool sign_check(const uint8_t signature[SIGN_SIZE], const char *context, const uint8_t *body,
                size_t size, const uint8_t public_key[SIGN_PUBLIC_SIZE]);

#endif
