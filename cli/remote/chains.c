/* Chains are judged by hashes: a record names the hash of the one that its writer made before. Numbers
 * may be left out, by stores that were given up, so they only tell where something is missing, and
 * in which order records were made. When that was is only what a clock said.
 *
 *   a gap    a record that another one names is not there
 *   a fork   two records follow one, or have one number: two machines use the writer's key, or one
 *            was set back. It is history once the writer has gone on from what was then the newest:
 *            its newest record follows one that no other end of the chain has a higher number than
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/base/id_map.h"
#include "cli/remote/snapshots_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

#define NO_LINK UINT32_MAX

/* The links of one writer, by number. */
struct one_chain {
    const struct chain_link *links;
    size_t count;
    uint32_t
        *parents; /* the link that it follows; NO_LINK: it is not there, or this is the first */
    uint32_t *children; /* how many follow it */
    bool settled;       /* forks are history */
    char writer[9];
};

static int link_order(const void *a, const void *b)
{
    const struct chain_link *x = a, *y = b;
    int order = id_compare(&x->writer, &y->writer);
    if (order != 0)
        return order;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return id_compare(&x->hash, &y->hash);
}

static bool is_first(const struct chain_link *link)
{
    static const struct record_id none;
    return id_equal(&link->previous, &none);
}

static void find_parents(struct one_chain *chain)
{
    struct id_map numbers = {0};
    chain->parents = alloc_zero(chain->count, sizeof(chain->parents[0]));
    chain->children = alloc_zero(chain->count, sizeof(chain->children[0]));
    for (size_t i = 0; i < chain->count; i++)
        id_map_put(&numbers, chain->links[i].hash.bytes, (uint32_t)i);
    for (size_t i = 0; i < chain->count; i++) {
        uint32_t parent;
        chain->parents[i] = NO_LINK;
        if (is_first(&chain->links[i]) ||
            !id_map_find(&numbers, chain->links[i].previous.bytes, &parent))
            continue;
        chain->parents[i] = parent;
        chain->children[parent]++;
    }
    id_map_release(&numbers);
}

static bool is_settled(const struct one_chain *chain)
{
    size_t newest = chain->count - 1;
    uint32_t before = chain->parents[newest];
    if (before == NO_LINK)
        return false;
    for (size_t i = 0; i < newest; i++) {
        if (chain->children[i] == 0 && chain->links[i].number > chain->links[before].number)
            return false;
    }
    return true;
}

static void add_fork(struct snapshot_list *list, const struct one_chain *chain, size_t at,
                     uint64_t count, const char *how)
{
    char text[sizeof(list->findings[0].text)];
    const struct chain_link *link = &chain->links[at];
    if (chain->settled)
        return;
    snprintf(text, sizeof(text),
             "of writer %s, record %llu %s: two machines use its key, or it was set back",
             chain->writer, (unsigned long long)link->number, how);
    finding_add(list, FINDING_FORK, &link->writer, link->number, count, text);
}

/* Of the records that it follows, at least the last is not there. */
static void add_gap(struct snapshot_list *list, const struct one_chain *chain, size_t at)
{
    char text[sizeof(list->findings[0].text)];
    const struct chain_link *link = &chain->links[at];
    uint64_t below = 0; /* the highest number that is there */
    for (size_t i = at; i-- > 0 && below == 0;)
        below = chain->links[i].number < link->number ? chain->links[i].number : 0;
    if (below + 1 < link->number) {
        snprintf(text, sizeof(text),
                 "of writer %s, records between number %llu and %llu are not to be had here",
                 chain->writer, (unsigned long long)below, (unsigned long long)link->number);
        finding_add(list, FINDING_GAP, &link->writer, below + 1, link->number - below - 1, text);
    } else if (below > 0) {
        snprintf(text, sizeof(text),
                 "of writer %s, the record that number %llu follows is not to be had here, only "
                 "another one of number %llu",
                 chain->writer, (unsigned long long)link->number, (unsigned long long)below);
        finding_add(list, FINDING_GAP, &link->writer, below, 1, text);
        add_fork(list, chain, at, 1, "does not follow the one before");
    } else {
        add_fork(list, chain, at, 1, "follows one, and has no number for it");
    }
}

static void judge_link(struct snapshot_list *list, const struct one_chain *chain, size_t at,
                       uint32_t *follower)
{
    const struct chain_link *link = &chain->links[at];
    uint32_t parent = chain->parents[at];
    bool twin = at > 0 && link[-1].number == link->number;
    bool of_two = twin && (at == 1 || link[-2].number != link->number);
    if (of_two)
        add_fork(list, chain, at, 2, "is there more than once");
    if (parent == NO_LINK && !is_first(link)) {
        add_gap(list, chain, at);
    } else if (parent == NO_LINK) {
        if (at > 0 && !twin)
            add_fork(list, chain, at, 1, "begins anew");
    } else if (chain->links[parent].number >= link->number) {
        add_fork(list, chain, at, 1, "follows one of a higher number");
    } else {
        char how[80];
        uint32_t sibling = follower[parent];
        follower[parent] = (uint32_t)at;
        if (sibling == NO_LINK || chain->links[sibling].number == link->number)
            return;
        snprintf(how, sizeof(how), "follows record %llu, as record %llu does",
                 (unsigned long long)chain->links[parent].number,
                 (unsigned long long)chain->links[sibling].number);
        add_fork(list, chain, at, 2, how);
    }
}

static void judge_chain(struct snapshot_list *list, struct one_chain *chain)
{
    hex_encode(chain->writer, chain->links[0].writer.bytes, 4);
    find_parents(chain);
    chain->settled = is_settled(chain);
    uint32_t *follower = alloc_zero(chain->count, sizeof(follower[0]));
    for (size_t i = 0; i < chain->count; i++)
        follower[i] = NO_LINK;
    for (size_t i = 0; i < chain->count; i++)
        judge_link(list, chain, i, follower);
    free(follower);
    free(chain->parents);
    free(chain->children);
}

/* Something that was seen before must still be there. */
static void judge_head(struct snapshot_list *list, const struct chains *chains,
                       const struct head *head)
{
    for (size_t i = 0; i < chains->count; i++) {
        if (id_equal(&chains->links[i].hash, &head->hash))
            return;
    }
    char text[sizeof(list->findings[0].text)], writer[9];
    snprintf(text, sizeof(text),
             "record %llu of writer %s, seen here before, is missing (%u of %u nodes answered)",
             (unsigned long long)head->number, hex_encode(writer, head->writer.bytes, 4),
             list->nodes_answered, list->nodes_asked);
    finding_add(list, FINDING_ROLLBACK, &head->writer, head->number, 1, text);
}

/* Nodes may give a record more than once. */
static void drop_doubles(struct chains *chains)
{
    size_t kept = 0;
    for (size_t i = 0; i < chains->count; i++) {
        if (kept == 0 || !id_equal(&chains->links[kept - 1].hash, &chains->links[i].hash))
            chains->links[kept++] = chains->links[i];
    }
    chains->count = kept;
}

void chains_judge(struct snapshot_list *list, struct chains *chains, struct heads *heads)
{
    for (size_t i = 0; i < heads->count; i++)
        judge_head(list, chains, &heads->heads[i]);
    if (chains->count > 1)
        qsort(chains->links, chains->count, sizeof(chains->links[0]), link_order);
    drop_doubles(chains);
    for (size_t i = 0; i < chains->count;) {
        struct one_chain chain = {.links = &chains->links[i]};
        while (i < chains->count && id_equal(&chains->links[i].writer, &chain.links[0].writer)) {
            struct head head = {.number = chains->links[i].number};
            head.writer = chains->links[i].writer;
            head.hash = chains->links[i].hash;
            heads_see(heads, &head);
            chain.count++;
            i++;
        }
        judge_chain(list, &chain);
    }
}
