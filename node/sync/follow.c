/* A member that restarted may have missed records, and has a new incarnation. */
#include "node/sync/follow.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/peers/nodes.h"
#include "node/sync/records.h"

#define GREETED_MAX                                                                                \
    3 /* new members a time: after a start in a large cluster, these few have it all */

struct follow_met {
    struct node_id node;
    uint64_t incarnation;
};

void follow_init(struct follow *follow)
{
    *follow = (struct follow){.generation = UINT64_MAX};
}

void follow_release(struct follow *follow)
{
    free(follow->met);
    follow->met = NULL;
}

static void pull_from(struct nodes *nodes, size_t node)
{
    struct err err = ERR_INIT;
    size_t pulled = 0;
    const char *name = nodes->table->members[node].cert.name;
    if (records_pull(nodes, node, &pulled, &err) != 0) {
        if (err.code == ERR_TIMEOUT)
            nodes_failed(nodes, node);
        log_debug("records of node %s: %s", name, err.text);
    }
    if (pulled > 0)
        log_info("%zu records from node %s", pulled, name);
}

/* Met under this incarnation? If not, it is from now on. */
static bool meet(struct follow *follow, const struct member *member)
{
    for (size_t i = 0; i < follow->met_count; i++) {
        struct follow_met *met = &follow->met[i];
        if (!id_equal(&met->node, &member->cert.node))
            continue;
        bool known = met->incarnation == member->incarnation;
        met->incarnation = member->incarnation;
        return known;
    }
    follow->met = alloc_grow(follow->met, follow->met_count + 1, sizeof(*follow->met));
    struct follow_met *met = &follow->met[follow->met_count++];
    met->node = member->cert.node;
    met->incarnation = member->incarnation;
    return false;
}

void follow_pull_new(struct follow *follow, struct peers *peers)
{
    struct member_table *table = membership_table(peers->membership);
    bool changed = table->generation != follow->generation;
    follow->generation = table->generation;
    member_table_release(&table);
    if (!changed)
        return;
    struct nodes nodes;
    unsigned greeted = 0;
    nodes_init(&nodes, peers);
    for (size_t i = 0; i < nodes.count; i++) {
        if (nodes.standings[i] != STANDING_GOOD || meet(follow, &nodes.table->members[i]))
            continue;
        if (greeted++ < GREETED_MAX)
            pull_from(&nodes, i);
    }
    nodes_release(&nodes);
}

void follow_pull(struct peers *peers)
{
    struct nodes nodes;
    nodes_init(&nodes, peers);
    size_t good = nodes_count(&nodes, STANDING_GOOD) - nodes_count(&nodes, STANDING_SELF);
    uint32_t which = good > 0 ? randombytes_uniform((uint32_t)good) : 0;
    for (size_t i = 0; i < nodes.count && good > 0; i++) {
        if (nodes.standings[i] == STANDING_GOOD && which-- == 0) {
            pull_from(&nodes, i);
            break;
        }
    }
    nodes_release(&nodes);
}
