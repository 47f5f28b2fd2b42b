/* utf8.h - text from strangers: which of its bytes may reach a terminal or a log.
 *
 * Plain is a well-formed character that shows itself and nothing but itself. Not so the controls, C0
 * (below U+0020, and U+007F) as well as C1 (U+0080 to U+009F: a terminal may take U+009B for
 * ESC [), the line and paragraph separators, the marks and overrides of direction, and the byte order
 * mark; nor any byte that is no part of a character, which a terminal of another character set
 * might take for a control.
 *
 *   Threads  any
 */
#ifndef ECBAK_CODING_BASE_UTF8_H
#define ECBAK_CODING_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the plain character at `at`, of which `left` are there; 0 when there is none. */
size_t utf8_plain(const char *at, size_t left);
/* Bytes of the well-formed character, plain or not; 0 when it is not one. */
size_t utf8_whole(const char *at, size_t left, uint32_t *point);
/* Makes each other byte a '?'; returns how many there were. */
size_t utf8_mask(char *text, size_t size);

#endif
