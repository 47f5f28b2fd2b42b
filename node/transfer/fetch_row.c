/* A fragment is believed when it proves itself against the object's id and is of the pack. */
#include "node/transfer/fetch_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/fragment.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"

/* A proven fragment says what shape its object has. A grant that said another is corrected: with a
 * smaller k the object would be taken for one that can be had, and be chosen again and again. */
static void settle_shape(struct fetching *f, struct fetch_target *t,
                         const struct object_shape *shape)
{
    struct sightings *seen = &f->locating.sightings;
    t->need = shape->k;
    locate_settle(&f->locating, &t->id, shape);
    for (size_t i = 0; i < seen->count; i++) {
        struct sighting *s = &seen->items[i];
        s->failed = s->failed ||
                    (id_equal(&s->object, &t->id) && s->index >= (uint32_t)shape->k + shape->m);
    }
}

/* Believes a fragment when it is row `index` of the target and of the pack, and proves itself. */
static int accept_row(struct fetching *f, struct fetch_target *t, const struct sighting *s,
                      const uint8_t *bytes, size_t size, struct err *err)
{
    struct fragment *fragment = alloc_zero(1, sizeof(*fragment));
    int result = -1;
    if (fragment_parse(fragment, bytes, size, err) != 0 ||
        fragment_expect(fragment, &s->object, (int)s->index, err) != 0)
        goto done;
    if (!id_equal(&fragment->object.pack_id, f->wanted.pack)) {
        err_set(err, ERR_FOREIGN, "a fragment of another pack");
        goto done;
    }
    if (fragment_verify(fragment, err) != 0)
        goto done;
    assert(s->index < RS_TOTAL_MAX && t->rows[s->index].bytes == NULL);
    t->rows[s->index] = (struct object_row){fragment->row, fragment->leaves};
    t->have++;
    t->moved_ms = monotonic_ms();
    settle_shape(f, t, &fragment->object.shape);
    if (t->object == NULL) {
        t->object = alloc_zero(1, sizeof(*t->object));
        *t->object = fragment->object;
    }
    result = 0;
done:
    free(fragment);
    return result;
}

static void note_damaged(struct fetching *f, const struct sighting *s, const struct err *why)
{
    char hex[17];
    f->corrupt++;
    count_one(f->nodes->peers->local.counters, COUNTED_CORRUPT);
    log_warn("fragment %u of object %s at node %s: %s", s->index,
             hex_encode(hex, s->object.bytes, 8), f->nodes->table->members[s->node].cert.name,
             why->text);
}

void row_read_here(struct fetching *f, struct fetch_target *t, struct sighting *s)
{
    struct err err = ERR_INIT;
    uint8_t *bytes = NULL;
    size_t size;
    s->fetched = true;
    const struct fragment_key key = {*f->wanted.vault, s->object, s->index};
    if (store_get_fragment(f->nodes->peers->local.store, &key, &bytes, &size, &err) == 0 &&
        accept_row(f, t, s, bytes, size, &err) == 0) {
        t->own[s->index] = bytes;
        return;
    }
    free(bytes);
    s->failed = true;
    if (err.code != ERR_NOT_FOUND)
        note_damaged(f, s, &err);
}

void row_ask(struct fetching *f, struct fetch_target *t, size_t sighting)
{
    struct sighting *s = &f->locating.sightings.items[sighting];
    struct fetch_flight *flight = NULL;
    for (size_t i = 0; i < FETCH_FLIGHTS_MAX && flight == NULL; i++) {
        if (t->flights[i].call == NULL)
            flight = &t->flights[i];
    }
    if (flight == NULL)
        return;
    Ecbak__GetFragment get = ECBAK__GET_FRAGMENT__INIT;
    get.object = wire_view(s->object.bytes, ID_SIZE);
    get.index = s->index;
    get.vault = wire_view(f->wanted.vault->bytes, ID_SIZE);
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT;
    request.get_fragment = &get;
    s->fetched = true;
    if (ask_start(f->nodes->peers->transport, &f->nodes->candidates[s->node].node, &request, NULL,
                  GET_TIMEOUT_MS, &flight->call, NULL) != 0) {
        flight->call = NULL;
        s->failed = true;
        nodes_failed(f->nodes, s->node);
        return;
    }
    flight->sighting = sighting;
    flight->start_ms = monotonic_ms();
}

void row_came(struct fetching *f, struct fetch_target *t, struct fetch_flight *flight)
{
    struct sighting *s = &f->locating.sightings.items[flight->sighting];
    struct err err = ERR_INIT;
    struct payload payload = {.size = 0};
    Ecbak__PeerReply *reply =
        ask_reply(flight->call, ECBAK__PEER_REPLY__BODY__NOT_SET, &payload, &err);
    bool answered = reply != NULL;
    wire_free(reply);
    if (answered && t->rows[s->index].bytes != NULL) {
        call_destroy(&flight->call); /* a twin was faster */
        return;
    }
    if (answered && accept_row(f, t, s, payload.bytes, payload.size, &err) == 0) {
        t->kept[s->index] = flight->call;
        flight->call = NULL;
        nodes_proved(f->nodes, s->node);
        pace_took(&f->pace, monotonic_ms() - flight->start_ms);
        return;
    }
    call_destroy(&flight->call);
    if (!answered && err.code == ERR_BUSY && s->busy_tries++ < ASK_BUSY_TRIES) {
        s->fetched = false;
        s->again_ms = monotonic_ms() + ASK_BUSY_WAIT_MS;
        return;
    }
    s->failed = true;
    if (answered)
        nodes_lied(f->nodes, s->node);
    if (answered || err.code == ERR_DAMAGED)
        note_damaged(f, s, &err);
    else if (err.code != ERR_NOT_FOUND)
        nodes_failed(f->nodes, s->node);
}
