/* armor.h - bytes as one line of text: "ecbak-KIND-VERSION:BASE64".
 *
 *   Errors   ERR_FORMAT another kind, or not base64; ERR_VERSION the right kind of another version
 *   Threads  any
 */
#ifndef ECBAK_NODE_COMMON_ARMOR_H
#define ECBAK_NODE_COMMON_ARMOR_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

/* `line` has room for line_size characters, its final NUL included; ERR_INVALID if that is too
 * little. kind is for example "certificate". */
int armor_encode(char *line, size_t line_size, const char *kind, unsigned version,
                 const uint8_t *bytes, size_t size, struct err *err) MUST_CHECK;
/* White space at the end of the line is ignored. */
int armor_decode(uint8_t *bytes, size_t size_max, size_t *size, const char *kind, unsigned version,
                 const char *line, struct err *err) MUST_CHECK;

#endif
