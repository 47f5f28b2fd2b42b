/* incompatible.h - nodes of this cluster that speak none of our protocol versions, for people.
 *
 * They are no members here (gossip/core/news.c), but somebody has to upgrade one side: so they are shown
 * among the members for as long as they are heard of, be it that one connects to us or refuses us
 * (node/net/link.h), or that a member which speaks with both sides tells us of it.
 *
 *   Limits   INCOMPATIBLE_MAX are kept; more are not taken until some are forgotten
 *   Memory   plain values
 *   Threads  one at a time for one list
 */
#ifndef ECBAK_NODE_MEMBERSHIP_INCOMPATIBLE_H
#define ECBAK_NODE_MEMBERSHIP_INCOMPATIBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/membership/membership.h"

#define INCOMPATIBLE_MAX 64
/* Not heard of for so long: forgotten. Seeds are tried, and anti-entropy tells of it, more often. */
#define INCOMPATIBLE_MS 600000

struct incompatible {
    struct member members[INCOMPATIBLE_MAX]; /* state MEMBER_INCOMPATIBLE */
    int64_t heard_ms[INCOMPATIBLE_MAX];
    size_t count;
};

/* It was heard of. What is empty in it is kept as it was known before: a connection tells less than
 * gossip. True when that is news: it is a new one, or speaks other versions than before. */
bool incompatible_note(struct incompatible *list, const struct member *member, int64_t now_ms);
/* It is a member now, or out. */
void incompatible_remove(struct incompatible *list, const struct node_id *node);
/* Forgets those not heard of; true when there were some. */
bool incompatible_expire(struct incompatible *list, int64_t now_ms);

#endif
