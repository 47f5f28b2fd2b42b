/* authority.h - the operator's key, which admits nodes: `DIR/authority.key` (0600), and
 * `DIR/authority.pub` (a line of hexadecimal digits), which every node has.
 *
 *   Errors   those of node_keys.h
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_AUTHORITY_H
#define ECBAK_NODE_TRUST_AUTHORITY_H

#include <stdint.h>

#include "coding/base/err.h"

int authority_init(const char *dir, uint8_t public_key[32],
                   struct err *err) MUST_CHECK; /* refuses to overwrite */
int authority_load(const char *dir, uint8_t secret[64], struct err *err) MUST_CHECK;
/* path: an authority.pub. */
int authority_public_load(const char *path, uint8_t public_key[32], struct err *err) MUST_CHECK;

#endif
