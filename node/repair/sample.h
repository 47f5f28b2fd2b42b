/* sample.h - which leaves a node is asked for, of all that it says it holds.
 *
 * Every leaf is as likely as any other, and nobody but this node can foresee which it will be: who
 * lacks a part f of the leaves passes n of them with a chance of (1 - f)^n.
 *
 *   Units    leaves of the rows numbered 0 to count - 1
 *   Limits   SAMPLE_LEAVES_MAX leaves a draw
 *   Threads  any
 *   Source   Floyd's sampling: Bentley, "Programming Pearls: a sample of brilliance" (1987)
 */
#ifndef ECBAK_NODE_REPAIR_SAMPLE_H
#define ECBAK_NODE_REPAIR_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#define SAMPLE_LEAVES_MAX 128

struct leaf_at {
    size_t row;
    uint32_t leaf;
};

/* Draws `wanted` different leaves, or all when there are no more, in ascending order; leaves_of[i] is
 * how many row i has, 0 to leave it out. Returns how many were drawn. */
size_t sample_draw(const uint32_t *leaves_of, size_t count, size_t wanted,
                   struct leaf_at drawn[SAMPLE_LEAVES_MAX]);

#endif
