/* suggest.h - "did you mean": the known word that is nearest to one that is not known.
 *
 *   Threads  any
 */
#ifndef ECBAK_CLI_UI_SUGGEST_H
#define ECBAK_CLI_UI_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *word; /* the nearest so far, NULL: nothing near */
    size_t distance;
};

/* Considers `candidate` for `given`; keeps it in s (zeroed before the first) when it is nearer. */
void suggest_consider(struct suggestion *s, const char *given, const char *candidate);

#endif
