/* One mistake, and one more for every four letters: else every short word would resemble every
 * other. */
#include "cli/ui/suggest.h"

#include <string.h>

#include "cli/base/edit_distance.h"

void suggest_consider(struct suggestion *s, const char *given, const char *candidate)
{
    size_t length = strlen(given);
    size_t far = edit_distance(given, candidate);
    if (length >= 3 && strncmp(given, candidate, length) == 0)
        far = 1; /* an abbreviation */
    if (far > 1 + length / 4)
        return;
    if (s->word == NULL || far < s->distance) {
        s->word = candidate;
        s->distance = far;
    }
}
