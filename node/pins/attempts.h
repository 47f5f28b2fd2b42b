/* attempts.h - which runs of a writer ended in records, and which of these stand in one chain.
 *
 * A pin is needed until an order covers it, which names a head of its writer. Whoever names a head has
 * seen all records below it in its chain. So of two pins of one pack whose records stand in one chain
 * the later one is enough: no order covers it without the earlier one. Not so where a chain forks: the
 * record of the later number need not be above the earlier one's, and an order that has seen only the
 * one branch must not cover what is pinned for the other.
 *
 *   Memory   attempts_release
 *   Threads  any
 */
#ifndef ECBAK_NODE_PINS_ATTEMPTS_H
#define ECBAK_NODE_PINS_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

/* What a record says of its place. */
struct attempt_link {
    struct record_id hash, previous; /* previous: zeros when there is none */
    struct attempt_id attempt;
};

struct attempts {
    struct attempt_id *recorded, *chained; /* sorted */
    size_t recorded_count, chained_count;
};

/* links: all that is known of a writer's records, from the highest number down. The chain is the one
 * that ends in the first. */
void attempts_init(struct attempts *attempts, const struct attempt_link *links, size_t count);
void attempts_release(struct attempts *attempts);
bool attempts_recorded(const struct attempts *attempts, const struct attempt_id *attempt);
bool attempts_chained(const struct attempts *attempts, const struct attempt_id *attempt);

#endif
