/* One row for a scenario and size: the figure's least, median and greatest over the seeds. */
#include "test/sim/table.h"

#include <stdio.h>
#include <stdlib.h>

#define SEEDS_MAX 64

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double table_quantile(double *values, size_t count, double share)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), compare);
    return values[(size_t)((double)(count - 1) * share + 0.5)];
}

void table_begin(void)
{
    printf("| scenario | what | n | seeds | min | median | max | unit | bound |\n"
           "|---|---|---|---|---|---|---|---|---|\n");
}

bool table_row(const struct scenario *scenario, uint32_t members, unsigned seeds)
{
    double figures[SEEDS_MAX];
    unsigned failed = 0;
    size_t count = 0;
    for (uint64_t seed = 1; seed <= seeds && seed <= SEEDS_MAX; seed++) {
        struct outcome outcome = scenario_play(scenario, seed, members, false);
        if (outcome.passed)
            figures[count++] = outcome.figure;
        else
            failed++;
    }
    int digits = strcmp(scenario->unit, "s") == 0 ? 1 : 0;
    printf("| `%s` | %s | %u | %u | %.*f | %.*f | %.*f | %s | %.0f%s |\n", scenario->name,
           scenario->holds, members, seeds, digits, table_quantile(figures, count, 0), digits,
           table_quantile(figures, count, 0.5), digits, table_quantile(figures, count, 1),
           scenario->unit, scenario->bound, failed > 0 ? ", **FAILED**" : "");
    fflush(stdout);
    return failed == 0;
}
