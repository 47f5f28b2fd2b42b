/* A path is as long as there are rows at most (255), so the recursion is bounded. */
#include "node/placement/matching.h"

#include <stdbool.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

struct state {
    const struct row_at *held;
    size_t count;
    size_t *row_of; /* by node */
    bool *visited;  /* by node */
};

static bool augment(struct state *s, size_t row)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t node = s->held[i].node;
        if (s->held[i].row != row || s->visited[node])
            continue;
        s->visited[node] = true;
        if (s->row_of[node] == SIZE_MAX || augment(s, s->row_of[node])) {
            s->row_of[node] = row;
            return true;
        }
    }
    return false;
}

size_t matching(const struct row_at *held, size_t count, size_t row_count, size_t node_count,
                size_t *node_of)
{
    struct state s = {.held = held, .count = count};
    size_t matched = 0;
    s.row_of = alloc_zero(node_count, sizeof(*s.row_of));
    s.visited = alloc_zero(node_count, sizeof(*s.visited));
    for (size_t i = 0; i < node_count; i++)
        s.row_of[i] = SIZE_MAX;
    for (size_t row = 0; row < row_count; row++) {
        for (size_t i = 0; i < node_count; i++)
            s.visited[i] = false;
        matched += augment(&s, row);
        node_of[row] = SIZE_MAX;
    }
    for (size_t i = 0; i < node_count; i++) {
        if (s.row_of[i] != SIZE_MAX)
            node_of[s.row_of[i]] = i;
    }
    free(s.row_of);
    free(s.visited);
    return matched;
}
