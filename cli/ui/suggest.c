/* Distance = typing mistakes: a letter too many, too few, wrong, or two swapped (optimal string
 * alignment). A third of the letters may be wrong, else every short word would resemble every other. */
#include "cli/ui/suggest.h"

#include <string.h>

#define WORD_MAX 32

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t cost[WORD_MAX + 1][WORD_MAX + 1];
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > WORD_MAX || columns > WORD_MAX)
        return 2 * WORD_MAX;
    for (size_t i = 0; i <= rows; i++)
        cost[i][0] = i;
    for (size_t j = 0; j <= columns; j++)
        cost[0][j] = j;
    for (size_t i = 1; i <= rows; i++)
        for (size_t j = 1; j <= columns; j++) {
            size_t change = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            cost[i][j] = least(change, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    return cost[rows][columns];
}

void suggest_consider(struct suggestion *s, const char *given, const char *candidate)
{
    size_t length = strlen(given);
    size_t far = distance(given, candidate);
    if (length >= 3 && strncmp(given, candidate, length) == 0)
        far = 1; /* an abbreviation */
    if (far > 1 + length / 4)
        return;
    if (s->word == NULL || far < s->distance) {
        s->word = candidate;
        s->distance = far;
    }
}
