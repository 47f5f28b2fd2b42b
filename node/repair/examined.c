/* Rows are judged, not leaves: the holder reads a row whole, so one bad leaf tells of all of it. */
#include "node/repair/prove_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"

#define JUDGED_ROWS_MIN 16 /* fewer tell too little of the others */
#define BAD_PART        4  /* one row in so many of a round is damaged: the disk is bad, */
#define BAD_PART_ALL    16 /* or one in so many of all rounds */

static uint32_t leaves_of_row(const struct sighting *claim)
{
    struct object_shape shape;
    if (object_shape_of(&shape, claim->pack_bytes, claim->data, claim->parity, NULL) != 0)
        return 1; /* no such row can be: it is asked for, and is found out */
    return shape.leaf_count;
}

static void draw(struct examined *e)
{
    e->drawn_count = sample_draw(e->leaves_of, e->claim_count, e->wanted, e->drawn);
    e->asked_from = e->asked_to = 0;
    e->round_rows = e->round_damaged = 0;
}

static void next_request(struct examined *e)
{
    e->asked_from = e->asked_to;
    e->asked_to = e->asked_from + ASK_LEAVES_MAX;
    if (e->asked_to > e->drawn_count)
        e->asked_to = e->drawn_count;
    e->busy_tries = 0;
}

void examined_init(struct examined *e, size_t node, struct sightings *seen, uint32_t leaves)
{
    *e = (struct examined){.node = node, .wanted = leaves};
    e->claims = alloc_zero(seen->count, sizeof(struct sighting *));
    e->leaves_of = alloc_zero(seen->count, sizeof(*e->leaves_of));
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->items[i].node != node || !seen->items[i].counted || seen->items[i].examined)
            continue;
        seen->items[i].examined = true;
        e->leaves_of[e->claim_count] = leaves_of_row(&seen->items[i]);
        e->claims[e->claim_count++] = &seen->items[i];
    }
    draw(e);
    next_request(e);
    e->over = e->drawn_count == 0;
}

void examined_release(struct examined *e)
{
    free(e->claims);
    free(e->leaves_of);
}

bool examined_next_row(const struct examined *e, size_t *at, size_t *end)
{
    *end = *at;
    while (*end < e->asked_to && e->drawn[*end].row == e->drawn[*at].row)
        (*end)++;
    return *at < e->asked_to;
}

/* A row whose leaves were cut by the end of a request is asked for twice, and counted once. */
static void count_row(struct examined *e, size_t at)
{
    size_t row = e->drawn[at].row;
    if (e->leaves_of[row] == 0)
        return;
    e->leaves_of[row] = 0;
    e->rows++;
    e->round_rows++;
}

/* Bad files, files that are gone, and disks that fail are what can happen to an honest holder. That a
 * row has no such leaf is not: it would be of another shape. */
static bool is_damage(enum err_code code)
{
    return code == ERR_DAMAGED || code == ERR_NOT_FOUND || code == ERR_IO || code == ERR_MEMORY;
}

void examined_row_error(struct examined *e, size_t at, const struct err *why)
{
    if (!is_damage(why->code)) {
        examined_exclude(e, why);
        return;
    }
    struct sighting *claim = e->claims[e->drawn[at].row];
    count_row(e, at);
    if (claim->failed)
        return;
    claim->failed = true;
    if (e->damaged == 0)
        e->why = *why;
    e->damaged++;
    e->round_damaged++;
}

static int check_row(const struct examined *e, const struct pack_id *packs, size_t at, size_t end,
                     const uint8_t *bytes, size_t size, struct err *err)
{
    const struct sighting *claim = e->claims[e->drawn[at].row];
    struct fragment *fragment = alloc_zero(1, sizeof(*fragment));
    const struct object_shape *shape = &fragment->object.shape;
    int result = -1;
    if (fragment_parse_head(fragment, bytes, size, err) != 0 ||
        fragment_expect(fragment, &claim->object, (int)claim->index, err) != 0)
        goto done;
    if (!id_equal(&fragment->object.pack_id, &packs[claim->pack]) || shape->k != claim->data ||
        shape->m != claim->parity || shape->pack_size != claim->pack_bytes) {
        err_set(err, ERR_FOREIGN, "an object of another pack or shape than it says");
        goto done;
    }
    size_t used = fragment_head_size(shape);
    for (; at < end; at++) {
        size_t leaf_size = hash_tree_leaf_size(shape->row_size, e->drawn[at].leaf);
        if (size - used < leaf_size) {
            err_set(err, ERR_FORMAT, "a leaf is missing");
            goto done;
        }
        if (fragment_prove_leaf(fragment, e->drawn[at].leaf, bytes + used, err) != 0)
            goto done;
        used += leaf_size;
    }
    result = used == size ? 0 : err_set(err, ERR_FORMAT, "%zu bytes too much", size - used);
done:
    free(fragment);
    return result;
}

void examined_take_row(struct examined *e, const struct pack_id *packs, size_t at, size_t end,
                       const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    if (check_row(e, packs, at, end, bytes, size, &err) == 0)
        count_row(e, at);
    else
        examined_exclude(e, &err);
}

static void end(struct examined *e, bool rest_out)
{
    e->over = true;
    e->rest_out = rest_out;
    for (size_t i = 0; rest_out && i < e->claim_count; i++)
        if (e->leaves_of[i] > 0)
            e->claims[i]->failed = true;
}

void examined_answered(struct examined *e)
{
    bool more = false;
    if (e->asked_to < e->drawn_count) {
        next_request(e);
        return;
    }
    for (size_t i = 0; i < e->claim_count && !more; i++)
        more = e->leaves_of[i] > 0;
    bool last = ++e->round == PROVE_ROUNDS_MAX;
    if (e->round_damaged == 0 || !more)
        end(e, false);
    else if (e->round_rows >= JUDGED_ROWS_MIN && e->round_damaged * BAD_PART >= e->round_rows)
        end(e, true);
    else if (last)
        end(e, e->damaged * BAD_PART_ALL >= e->rows);
    if (e->over)
        return;
    e->wanted = 2 * e->wanted > JUDGED_ROWS_MIN ? 2 * e->wanted : JUDGED_ROWS_MIN;
    draw(e);
    next_request(e);
}

void examined_take_answer(struct examined *e, const struct pack_id *packs,
                          const Ecbak__ReadLeavesReply *reply, const struct payload *payload)
{
    static const struct err other = {ERR_FORMAT, "its answer is to another question"};
    size_t used = 0, row = 0;
    for (size_t at = e->asked_from, end; examined_next_row(e, &at, &end) && !e->over; at = end) {
        if (row == reply->n_rows || reply->rows[row]->size > payload->size - used) {
            examined_exclude(e, &other);
            return;
        }
        const Ecbak__RowRead *read = reply->rows[row++];
        struct err why = ERR_INIT;
        if (read->error != ERR_NONE) {
            wire_error(&why, read->error, "it cannot read it");
            examined_row_error(e, at, &why);
        } else {
            examined_take_row(e, packs, at, end, payload->bytes + used, read->size);
        }
        used += read->size;
    }
    if (!e->over && (row != reply->n_rows || used != payload->size))
        examined_exclude(e, &other);
    if (!e->over)
        examined_answered(e);
}

void examined_exclude(struct examined *e, const struct err *why)
{
    e->excluded = true;
    e->over = true;
    e->why = *why;
    for (size_t i = 0; i < e->claim_count; i++)
        e->claims[i]->failed = true;
}

void examined_report(const struct examined *e, struct unproven *to)
{
    to->excluded = e->excluded;
    to->read = e->rows;
    to->damaged = e->damaged;
    if (e->excluded)
        snprintf(to->text, sizeof(to->text),
                 "does not prove that it holds what it says (%.100s): nothing of it counts; look "
                 "after it, and revoke it if it goes on",
                 e->why.text);
    else
        snprintf(to->text, sizeof(to->text),
                 "%u of %u fragments looked at are damaged or gone%s: they are made anew where "
                 "nodes are at hand; look after its disk",
                 e->damaged, e->rows,
                 e->rest_out ? ", so what was not looked at does not count" : "");
}
