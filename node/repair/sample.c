/* Leaves are numbered through all rows; numbers are drawn, and then looked up in one pass. */
#include "node/repair/sample.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static bool has(const uint32_t *numbers, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

size_t sample_draw(const uint32_t *leaves_of, size_t count, size_t wanted,
                   struct leaf_at drawn[SAMPLE_LEAVES_MAX])
{
    uint32_t numbers[SAMPLE_LEAVES_MAX];
    uint64_t all = 0, before = 0;
    size_t have = 0, row = 0;
    for (size_t i = 0; i < count; i++)
        all += leaves_of[i];
    assert(all <= UINT32_MAX); /* packs a request * rows a pack and node * leaves a row */
    if (wanted > SAMPLE_LEAVES_MAX)
        wanted = SAMPLE_LEAVES_MAX;
    if (wanted > all)
        wanted = (size_t)all;
    for (uint32_t last = (uint32_t)(all - wanted); have < wanted; last++) {
        uint32_t number = randombytes_uniform(last + 1);
        numbers[have] = has(numbers, have, number) ? last : number;
        have++;
    }
    qsort(numbers, have, sizeof(numbers[0]), by_number);
    for (size_t i = 0; i < have; i++) {
        while (numbers[i] - before >= leaves_of[row])
            before += leaves_of[row++];
        drawn[i] = (struct leaf_at){row, (uint32_t)(numbers[i] - before)};
    }
    return have;
}
