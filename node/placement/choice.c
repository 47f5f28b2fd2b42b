/* Candidates are copied; what other jobs should know of a node that failed goes to health.h. */
#include "node/placement/choice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

void choice_init(struct choice *choice, const struct candidate *candidates, size_t count)
{
    *choice = (struct choice){.count = count};
    choice->candidates = alloc_zero(count, sizeof(*choice->candidates));
    if (count > 0)
        memcpy(choice->candidates, candidates, count * sizeof(*choice->candidates));
    choice->taken = alloc_zero(count, sizeof(*choice->taken));
}

void choice_release(struct choice *choice)
{
    free(choice->candidates);
    free(choice->taken);
}

void choice_mark(struct choice *choice, size_t node)
{
    assert(node < choice->count);
    choice->taken[node] = true;
}

static bool may_take(const struct choice *choice, size_t node)
{
    const struct candidate *candidate = &choice->candidates[node];
    return !choice->taken[node] && (candidate->usable || candidate->doubtful);
}

bool choice_possible(const struct choice *choice, size_t node)
{
    return may_take(choice, node) && choice->candidates[node].free_bytes >= choice->fragment_bytes;
}

bool choice_lacks_space(const struct choice *choice, size_t node)
{
    return may_take(choice, node) && choice->candidates[node].free_bytes < choice->fragment_bytes;
}

static size_t take(struct choice *choice, const struct candidate *candidates, size_t wanted,
                   size_t *chosen)
{
    size_t count =
        placement_choose(&(struct placement){choice->pack, candidates, choice->count, choice->taken,
                                             choice->zone_max, choice->fragment_bytes},
                         wanted, chosen);
    for (size_t i = 0; i < count; i++) {
        assert(!choice->taken[chosen[i]]);
        choice->taken[chosen[i]] = true;
    }
    return count;
}

size_t choice_take(struct choice *choice, size_t wanted, size_t *chosen)
{
    size_t count = take(choice, choice->candidates, wanted, chosen);
    if (count == wanted || !choice->doubtful_too)
        return count;
    struct candidate *doubtful = alloc_zero(choice->count, sizeof(*doubtful));
    for (size_t i = 0; i < choice->count; i++) {
        doubtful[i] = choice->candidates[i];
        doubtful[i].usable = !choice->candidates[i].usable && choice->candidates[i].doubtful;
    }
    count += take(choice, doubtful, wanted - count, chosen + count);
    free(doubtful);
    return count;
}

void choice_strike(struct choice *choice, size_t node)
{
    assert(choice->taken[node]);
    choice->taken[node] = false;
    choice->candidates[node].usable = false;
    choice->candidates[node].doubtful = false;
    choice->candidates[node].capacity_bytes = 0;
    choice->candidates[node].free_bytes = 0;
}

void choice_give_back(struct choice *choice, size_t node)
{
    assert(choice->taken[node]);
    choice->taken[node] = false;
    choice->candidates[node].usable = false;
    choice->candidates[node].doubtful = true;
}

void choice_assign(const struct choice *choice, const size_t *chosen, size_t count,
                   const unsigned *rows, size_t row_count, size_t *node_of)
{
    size_t node_count = choice->count;
    size_t *order = alloc_zero(node_count, sizeof(*order));
    bool *assigned = alloc_zero(node_count, sizeof(*assigned));
    placement_order(choice->pack, choice->candidates, node_count, order);
    for (size_t i = 0; i < row_count; i++) {
        node_of[i] = SIZE_MAX;
        for (size_t c = 0; c < count && rows[i] < node_count; c++) {
            if (chosen[c] == order[rows[i]]) {
                node_of[i] = chosen[c];
                assigned[chosen[c]] = true;
            }
        }
    }
    for (size_t i = 0, c = 0; i < row_count; i++) {
        if (node_of[i] != SIZE_MAX)
            continue;
        while (c < count && assigned[chosen[c]])
            c++;
        if (c < count)
            node_of[i] = chosen[c++];
    }
    free(order);
    free(assigned);
}
