/* mutations.h - a core is broken on purpose, or said to do what it does not: the invariants must notice.
 *
 * Each mutation is tried in a process of its own, on a small cluster at peace.
 */
#ifndef ECBAK_TEST_SIM_MUTATIONS_H
#define ECBAK_TEST_SIM_MUTATIONS_H

#include <stdbool.h>
#include <stddef.h>

size_t mutations_count(void);
const char *mutations_name(size_t index);
/* Whether the invariant that it breaks, and no other, is what failed. */
bool mutations_caught(size_t index);

#endif
