/* Each node draws a number for the pack from a hash of both; scaled by its capacity, the numbers are
 * an order of all nodes in which each stands first with a probability in proportion to its
 * capacity. Nobody's number depends on who else is there: a node that joins or leaves moves only
 * what it takes or held.
 *
 * With u uniform in (0, 1) and weight w, -ln(u) / w is exponential with rate w, and the smallest of
 * several such numbers is the i-th with probability w_i / sum of w. */
#include "node/placement/placement.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/base/hash.h"

#define PLACEMENT_CONTEXT "ecbak placement"

struct rank {
    double draw; /* the smaller, the earlier */
    const struct node_id *node;
    size_t candidate;
};

static double draw_of(const struct pack_id *pack, const struct candidate *candidate)
{
    uint8_t both[2 * ID_SIZE], digest[HASH_SIZE];
    struct reader r;
    memcpy(both, pack->bytes, ID_SIZE);
    memcpy(both + ID_SIZE, candidate->node.bytes, ID_SIZE);
    hash_bytes(digest, PLACEMENT_CONTEXT, both, sizeof(both));
    reader_init(&r, digest, sizeof(digest));
    double uniform = ((double)(read_u64(&r) >> 11) + 0.5) / 0x1p53;
    if (candidate->capacity_bytes == 0)
        return INFINITY;
    return -log(uniform) / (double)candidate->capacity_bytes;
}

static int compare_ranks(const void *left, const void *right)
{
    const struct rank *a = left, *b = right;
    if (a->draw != b->draw)
        return a->draw < b->draw ? -1 : 1;
    return id_compare(a->node, b->node);
}

void placement_order(const struct pack_id *pack, const struct candidate *candidates, size_t count,
                     size_t *order)
{
    struct rank *ranks = alloc_zero(count, sizeof(*ranks));
    for (size_t i = 0; i < count; i++)
        ranks[i] = (struct rank){draw_of(pack, &candidates[i]), &candidates[i].node, i};
    qsort(ranks, count, sizeof(*ranks), compare_ranks);
    for (size_t i = 0; i < count; i++)
        order[i] = ranks[i].candidate;
    free(ranks);
}

struct zone_of {
    const char *name;
    size_t candidate;
};

static int compare_zones(const void *left, const void *right)
{
    const struct zone_of *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* Numbers the zones: zone[i] is that of candidate i. */
static void number_zones(const struct candidate *candidates, size_t count, size_t *zone)
{
    struct zone_of *zones = alloc_zero(count, sizeof(*zones));
    size_t number = 0;
    for (size_t i = 0; i < count; i++)
        zones[i] = (struct zone_of){candidates[i].zone != NULL ? candidates[i].zone : "", i};
    qsort(zones, count, sizeof(*zones), compare_zones);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(zones[i].name, zones[i - 1].name) != 0)
            number++;
        zone[zones[i].candidate] = number;
    }
    free(zones);
}

/* Where one choice stands. All arrays are by candidate, but order. */
struct picking {
    const struct candidate *candidates;
    size_t count;
    size_t *order, *zone, *in_zone; /* in_zone: by zone number */
    bool *out;                      /* cannot be chosen: holds one, is not usable, or has no room */
    bool *picked;
};

static void picking_init(struct picking *c, const struct placement *p)
{
    size_t count = p->count;
    *c = (struct picking){.candidates = p->candidates, .count = count};
    c->order = alloc_zero(count, sizeof(size_t));
    c->zone = alloc_zero(count, sizeof(size_t));
    c->in_zone = alloc_zero(count, sizeof(size_t));
    c->out = alloc_zero(count, sizeof(bool));
    c->picked = alloc_zero(count, sizeof(bool));
    placement_order(p->pack, p->candidates, count, c->order);
    number_zones(p->candidates, count, c->zone);
    for (size_t i = 0; i < count; i++) {
        bool holds = p->taken != NULL && p->taken[i];
        c->out[i] =
            holds || !p->candidates[i].usable || p->candidates[i].free_bytes < p->fragment_bytes;
        if (holds)
            c->in_zone[c->zone[i]]++;
    }
}

static void picking_release(struct picking *c)
{
    free(c->order);
    free(c->zone);
    free(c->in_zone);
    free(c->out);
    free(c->picked);
}

/* Picks in order those whose zone has room under zone_max; returns how many. *left tells whether
 * some were passed over for their zone alone. */
static size_t pick(struct picking *c, size_t wanted, size_t zone_max, bool *left)
{
    size_t picked = 0;
    *left = false;
    for (size_t n = 0; n < c->count && picked < wanted; n++) {
        size_t i = c->order[n];
        if (c->out[i] || c->picked[i] || c->candidates[i].self)
            continue;
        if (c->in_zone[c->zone[i]] >= zone_max) {
            *left = true;
            continue;
        }
        c->in_zone[c->zone[i]]++;
        c->picked[i] = true;
        picked++;
    }
    return picked;
}

size_t placement_choose(const struct placement *placement, size_t wanted, size_t *chosen)
{
    struct picking c;
    size_t picked = 0, written = 0;
    bool left = true;
    picking_init(&c, placement);
    /* When every zone is at its limit, the limit rises by one for all: the surplus is spread too. */
    for (size_t limit = placement->zone_max; left && picked < wanted; limit++)
        picked += pick(&c, wanted - picked, limit, &left);
    for (size_t n = 0; n < c.count; n++)
        if (c.picked[c.order[n]])
            chosen[written++] = c.order[n];
    assert(written == picked && picked <= wanted);
    for (size_t i = 0; i < c.count && written < wanted; i++)
        if (c.candidates[i].self && !c.out[i])
            chosen[written++] = i;
    picking_release(&c);
    return written;
}

bool placement_shape(size_t known, uint32_t *data, uint32_t *parity)
{
    static const struct {
        size_t known;
        uint32_t data, parity;
    } shapes[] = {{7, 4, 2}, {6, 3, 2}, {4, 2, 2}, {3, 1, 2}, {2, 1, 1}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (known >= shapes[i].known) {
            *data = shapes[i].data;
            *parity = shapes[i].parity;
            return true;
        }
    }
    *data = *parity = 0;
    return false;
}
