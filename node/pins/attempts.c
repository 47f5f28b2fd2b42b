/* A record's predecessor has a lower number, so one pass down the numbers walks the chain. Where a
 * record is missing the chain ends: what is below may be another branch. */
#include "node/pins/attempts.h"

#include <stdlib.h>

#include "coding/base/alloc.h"

static int order(const void *a, const void *b)
{
    const struct attempt_id *x = a, *y = b;
    return id_compare(x, y);
}

void attempts_init(struct attempts *attempts, const struct attempt_link *links, size_t count)
{
    *attempts = (struct attempts){.recorded_count = count};
    attempts->recorded = alloc_zero(count, sizeof(struct attempt_id));
    attempts->chained = alloc_zero(count, sizeof(struct attempt_id));
    for (size_t i = 0; i < count; i++)
        attempts->recorded[i] = links[i].attempt;
    const struct record_id *wanted = count > 0 ? &links[0].hash : NULL;
    for (size_t i = 0; i < count; i++) {
        if (!id_equal(&links[i].hash, wanted))
            continue;
        attempts->chained[attempts->chained_count++] = links[i].attempt;
        wanted = &links[i].previous;
    }
    if (attempts->recorded_count > 1)
        qsort(attempts->recorded, attempts->recorded_count, sizeof(struct attempt_id), order);
    if (attempts->chained_count > 1)
        qsort(attempts->chained, attempts->chained_count, sizeof(struct attempt_id), order);
}

void attempts_release(struct attempts *attempts)
{
    free(attempts->recorded);
    free(attempts->chained);
    *attempts = (struct attempts){.recorded_count = 0};
}

static bool has(const struct attempt_id *sorted, size_t count, const struct attempt_id *attempt)
{
    return count > 0 && bsearch(attempt, sorted, count, sizeof(*sorted), order) != NULL;
}

bool attempts_recorded(const struct attempts *attempts, const struct attempt_id *attempt)
{
    return has(attempts->recorded, attempts->recorded_count, attempt);
}

bool attempts_chained(const struct attempts *attempts, const struct attempt_id *attempt)
{
    return has(attempts->chained, attempts->chained_count, attempt);
}
