/* edit_distance.h - how many typing mistakes lie between two words: a letter too many, too few,
 * wrong, or two neighbours swapped (optimal string alignment).
 *
 *   Limits   words of EDIT_WORD_MAX letters; a longer one is far from every other
 *   Threads  any
 */
#ifndef ECBAK_CLI_BASE_EDIT_DISTANCE_H
#define ECBAK_CLI_BASE_EDIT_DISTANCE_H

#include <stddef.h>

#define EDIT_WORD_MAX 32

size_t edit_distance(const char *a, const char *b);

#endif
