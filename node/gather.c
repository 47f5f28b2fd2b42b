/* One loop waits for answers to "who has it" and for fragments at once. It goes through rounds: the
 * nodes in good standing, then the doubtful, then those that are held for dead; a round ends when
 * it cannot bring enough rows of any object. */
#include "node/gather.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/fragment.h"
#include "node/api/wire.h"
#include "node/ask.h"
#include "node/clock.h"
#include "node/log.h"

#define TICK_MS       100
#define GRACE_MS      3   /* for more answers, so that data rows can be preferred */
#define LATE_FIRST_MS 700 /* a row is late, when nothing is there to compare with */
#define LATE_FACTOR   3   /* against the median of those that came */
#define LATE_LEAST_MS 250
#define QUIET_MS      300 /* then more nodes are asked who has it */
#define BUSY_WAIT_MS  100
#define BUSY_TRIES    50

void gather_init(struct gathering *gathering, struct nodes *nodes, const uint8_t pack[ID_SIZE],
                 const uint8_t *only)
{
    *gathering = (struct gathering){.nodes = nodes, .pack = pack, .only = only};
    locate_init(&gathering->locating, nodes, pack);
}

static void drop_rows(struct gathering *g)
{
    for (unsigned i = 0; i < RS_TOTAL_MAX; i++) {
        call_destroy(&g->kept[i]);
        free(g->own[i]);
        g->own[i] = NULL;
        g->rows[i] = (struct object_row){.bytes = NULL};
    }
    for (size_t i = 0; i < GATHER_FLIGHTS_MAX; i++) {
        call_destroy(&g->flights[i].call);
        g->flights[i] = (struct gather_flight){.call = NULL};
    }
    for (size_t i = 0; i < g->locating.sightings.count; i++)
        g->locating.sightings.items[i].fetched = false;
    free(g->object);
    g->object = NULL;
    g->have = 0;
    g->extra = 0;
}

void gather_release(struct gathering *gathering)
{
    drop_rows(gathering);
    locate_release(&gathering->locating);
}

/* Rows of an object that are here, on their way, or may yet be fetched. */
static size_t rows_in_sight(const struct gathering *g, const uint8_t object[ID_SIZE])
{
    size_t nodes;
    return sightings_rows(&g->locating.sightings, object, &nodes);
}

/* Stays with the object that is being fetched while that can work; else the one with most rows to
 * spare. false: no object has enough rows in sight. */
static bool choose_target(struct gathering *g)
{
    const struct sightings *seen = &g->locating.sightings;
    const struct sighting *best = NULL;
    int best_spare = -1;
    if (g->has_target && rows_in_sight(g, g->target) >= g->need)
        return true;
    for (size_t i = 0; i < seen->count; i++) {
        const struct sighting *s = &seen->items[i];
        if (s->failed || (g->only != NULL && memcmp(s->object, g->only, ID_SIZE) != 0))
            continue;
        int spare = (int)rows_in_sight(g, s->object) - (int)s->data;
        if (spare > best_spare) {
            best_spare = spare;
            best = s;
        }
    }
    if (best == NULL)
        return false;
    drop_rows(g);
    memcpy(g->target, best->object, ID_SIZE);
    g->has_target = true;
    g->need = best->data;
    return true;
}

/* Believes a fragment when it is row `index` of the target and of the pack, and proves itself. */
static int accept(struct gathering *g, const struct sighting *s, const uint8_t *bytes, size_t size,
                  struct err *err)
{
    struct fragment *fragment = alloc_zero(1, sizeof(*fragment));
    int result = -1;
    if (fragment_parse(fragment, bytes, size, err) != 0 ||
        fragment_expect(fragment, s->object, (int)s->index, err) != 0)
        goto done;
    if (memcmp(fragment->object.pack_id, g->pack, ID_SIZE) != 0) {
        err_set(err, ERR_FOREIGN, "a fragment of another pack");
        goto done;
    }
    if (fragment_verify(fragment, err) != 0)
        goto done;
    g->rows[s->index] = (struct object_row){fragment->row, fragment->leaves};
    g->have++;
    g->need = fragment->object.shape.k;
    if (g->object == NULL) {
        g->object = alloc_zero(1, sizeof(*g->object));
        *g->object = fragment->object;
    }
    result = 0;
done:
    free(fragment);
    return result;
}

static void note_damaged(struct gathering *g, const struct sighting *s, const struct err *why)
{
    char hex[17];
    g->corrupt++;
    count_one(&g->nodes->service->counters, COUNTED_CORRUPT);
    log_warn("fragment %u of object %s at node %s: %s", s->index, hex_encode(hex, s->object, 8),
             g->nodes->table->members[s->node].cert.name, why->text);
}

static void fetch_here(struct gathering *g, struct sighting *s)
{
    struct err err = ERR_INIT;
    uint8_t *bytes = NULL;
    size_t size;
    s->fetched = true;
    if (store_get_fragment(g->nodes->service->store, s->object, s->index, &bytes, &size, &err) ==
            0 &&
        accept(g, s, bytes, size, &err) == 0) {
        g->own[s->index] = bytes;
        return;
    }
    free(bytes);
    s->failed = true;
    if (err.code != ERR_NOT_FOUND)
        note_damaged(g, s, &err);
}

static void fetch_there(struct gathering *g, size_t sighting)
{
    struct sighting *s = &g->locating.sightings.items[sighting];
    struct gather_flight *flight = NULL;
    for (size_t i = 0; i < GATHER_FLIGHTS_MAX && flight == NULL; i++) {
        if (g->flights[i].call == NULL)
            flight = &g->flights[i];
    }
    if (flight == NULL)
        return;
    Ecbak__GetFragment get = ECBAK__GET_FRAGMENT__INIT;
    get.object = wire_view(s->object, ID_SIZE);
    get.index = s->index;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT;
    request.get_fragment = &get;
    s->fetched = true;
    if (ask_start(g->nodes->service->transport, g->nodes->candidates[s->node].node, &request, NULL,
                  GET_TIMEOUT_MS, &flight->call, NULL) != 0) {
        flight->call = NULL;
        s->failed = true;
        nodes_failed(g->nodes, s->node);
        return;
    }
    flight->sighting = sighting;
    flight->start_ms = monotonic_ms();
}

/* A flight is over: its row is kept with the call that brought it, or its sighting is struck. */
static void landed(struct gathering *g, struct gather_flight *flight)
{
    struct sighting *s = &g->locating.sightings.items[flight->sighting];
    struct err err = ERR_INIT;
    struct payload payload = {.size = 0};
    Ecbak__PeerReply *reply =
        ask_reply(flight->call, ECBAK__PEER_REPLY__BODY__NOT_SET, &payload, &err);
    bool answered = reply != NULL;
    wire_free(reply);
    if (answered && g->rows[s->index].bytes != NULL) {
        call_destroy(&flight->call); /* a twin was faster */
        return;
    }
    if (answered && accept(g, s, payload.bytes, payload.size, &err) == 0) {
        g->kept[s->index] = flight->call;
        flight->call = NULL;
        nodes_succeeded(g->nodes, s->node);
        if (g->took_count < GATHER_FLIGHTS_MAX)
            g->took_ms[g->took_count++] = monotonic_ms() - flight->start_ms;
        return;
    }
    call_destroy(&flight->call);
    if (!answered && err.code == ERR_BUSY && s->busy_tries++ < BUSY_TRIES) {
        s->fetched = false;
        s->again_ms = monotonic_ms() + BUSY_WAIT_MS;
        return;
    }
    s->failed = true;
    if (answered || err.code == ERR_DAMAGED)
        note_damaged(g, s, &err);
    else if (err.code != ERR_NOT_FOUND)
        nodes_failed(g->nodes, s->node);
}

static int64_t late_after_ms(const struct gathering *g)
{
    if (g->took_count == 0)
        return LATE_FIRST_MS;
    int64_t sum = 0;
    for (size_t i = 0; i < g->took_count; i++)
        sum += g->took_ms[i];
    int64_t late = LATE_FACTOR * sum / (int64_t)g->took_count;
    return late < LATE_LEAST_MS ? LATE_LEAST_MS : late;
}

/* Sooner is better: this node's own disk, good standing, data rows before parity rows. */
static int rank(const struct gathering *g, const struct sighting *s)
{
    return (int)g->nodes->standings[s->node] * 2 + (s->index < s->data ? 0 : 1);
}

/* The best sighting whose row is neither here nor on its way; of rows on their way late, too. */
static int next_sighting(const struct gathering *g, const bool *coming, int64_t now)
{
    const struct sightings *seen = &g->locating.sightings;
    int best = -1;
    for (size_t i = 0; i < seen->count; i++) {
        const struct sighting *s = &seen->items[i];
        if (s->failed || s->fetched || s->again_ms > now || coming[s->index] ||
            g->rows[s->index].bytes != NULL || memcmp(s->object, g->target, ID_SIZE) != 0)
            continue;
        if (best < 0 || rank(g, s) < rank(g, &seen->items[best]))
            best = (int)i;
    }
    return best;
}

/* Starts as many fetches as rows are missing and not on their way in good time. */
static void launch(struct gathering *g)
{
    bool coming[RS_TOTAL_MAX] = {false};
    int64_t now = monotonic_ms(), late_ms = late_after_ms(g);
    unsigned on_time = 0;
    for (size_t i = 0; i < GATHER_FLIGHTS_MAX; i++) {
        const struct gather_flight *flight = &g->flights[i];
        if (flight->call == NULL || now - flight->start_ms > late_ms)
            continue;
        coming[g->locating.sightings.items[flight->sighting].index] = true;
        on_time++;
    }
    while (g->have + on_time < g->need + g->extra) {
        int next = next_sighting(g, coming, now);
        if (next < 0)
            return;
        struct sighting *s = &g->locating.sightings.items[next];
        if (g->nodes->standings[s->node] == STANDING_SELF) {
            fetch_here(g, s);
            continue;
        }
        fetch_there(g, (size_t)next);
        if (s->fetched && !s->failed) {
            coming[s->index] = true;
            on_time++;
        } else if (!s->failed) {
            return; /* every flight is taken */
        }
    }
}

static size_t flying(const struct gathering *g)
{
    size_t count = 0;
    for (size_t i = 0; i < GATHER_FLIGHTS_MAX; i++)
        count += g->flights[i].call != NULL;
    return count;
}

/* Waits for whatever comes first, a fragment or an answer to "who has it", and takes it. */
static void wait_for_any(struct gathering *g, int64_t deadline_ms)
{
    size_t nodes = g->nodes->count;
    struct call **calls = alloc_zero(nodes + GATHER_FLIGHTS_MAX, sizeof(struct call *));
    memcpy(calls, g->locating.calls, nodes * sizeof(struct call *));
    for (size_t i = 0; i < GATHER_FLIGHTS_MAX; i++)
        calls[nodes + i] = g->flights[i].call;
    int done = ask_wait(calls, nodes + GATHER_FLIGHTS_MAX, deadline_ms);
    free(calls);
    if (done >= 0 && (size_t)done < nodes)
        locate_take(&g->locating, (size_t)done);
    else if (done >= 0)
        landed(g, &g->flights[(size_t)done - nodes]);
}

/* Flights to nodes that have died meanwhile are given up without waiting for their time. */
static void give_up_the_dead(struct gathering *g)
{
    for (size_t i = 0; i < GATHER_FLIGHTS_MAX; i++) {
        struct gather_flight *flight = &g->flights[i];
        if (flight->call == NULL)
            continue;
        struct sighting *s = &g->locating.sightings.items[flight->sighting];
        if (g->nodes->standings[s->node] < STANDING_DEAD && nodes_gone(g->nodes, s->node)) {
            call_destroy(&flight->call);
            s->failed = true;
            nodes_failed(g->nodes, s->node);
        }
    }
}

static int missing(const struct gathering *g, struct err *err)
{
    const struct sightings *seen = &g->locating.sightings;
    const struct sighting *best = NULL;
    size_t best_rows = 0, best_nodes = 0;
    char pack[17], object[17], damaged[48] = "";
    hex_encode(pack, g->pack, 8);
    for (size_t i = 0; i < seen->count; i++) {
        size_t nodes, rows = sightings_rows(seen, seen->items[i].object, &nodes);
        if ((g->only == NULL || memcmp(seen->items[i].object, g->only, ID_SIZE) == 0) &&
            (best == NULL || rows > best_rows)) {
            best = &seen->items[i];
            best_rows = rows;
            best_nodes = nodes;
        }
    }
    if (g->corrupt > 0)
        snprintf(damaged, sizeof(damaged), ", %u more damaged", g->corrupt);
    if (best == NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "pack %s: no fragment of it on the %zu nodes that answered, of %zu asked",
                       pack, g->locating.answered, g->locating.asked);
    if (best_rows >= best->data)
        return err_set(err, ERR_CANCELLED, "pack %s: this node is stopping", pack);
    return err_set(err, ERR_TOO_FEW,
                   "pack %s: object %s needs %u fragments and misses %zu: %zu found on %zu of %zu "
                   "nodes asked, %zu answered%s",
                   pack, hex_encode(object, best->object, 8), best->data, best->data - best_rows,
                   best_rows, best_nodes, g->locating.asked, g->locating.answered, damaged);
}

int gather_rows(struct gathering *gathering, struct err *err)
{
    struct gathering *g = gathering;
    enum standing worst = STANDING_GOOD;
    int64_t quiet_ms = monotonic_ms();
    while (!atomic_load(&g->nodes->service->stop)) {
        int64_t now = monotonic_ms();
        bool feasible = choose_target(g);
        size_t waiting = locate_waiting(&g->locating, worst);
        if (feasible && g->feasible_ms == 0)
            g->feasible_ms = now;
        int64_t wake = now + TICK_MS;
        if (feasible && (waiting == 0 || now - g->feasible_ms >= GRACE_MS)) {
            launch(g);
            if (g->have >= g->need + g->extra ||
                (g->have >= g->need && g->extra > 0 && flying(g) == 0))
                return 0;
        } else if (feasible) {
            wake = g->feasible_ms + GRACE_MS;
        } else if (waiting == 0 || now - quiet_ms >= QUIET_MS) {
            quiet_ms = now;
            bool more = locate_more(&g->locating, LOCATE_FIRST, worst);
            if (!more && waiting == 0 && worst == STANDING_DEAD)
                break;
            if (!more && worst < STANDING_DEAD) {
                worst++;
                continue;
            }
        }
        wait_for_any(g, wake);
        give_up_the_dead(g);
    }
    return missing(g, err);
}

/* An object whose proven rows do not give the pack: whoever coded it was wrong. */
static void strike_object(struct gathering *g)
{
    struct sightings *seen = &g->locating.sightings;
    for (size_t i = 0; i < seen->count; i++) {
        if (memcmp(seen->items[i].object, g->target, ID_SIZE) == 0)
            seen->items[i].failed = true;
    }
    drop_rows(g);
    g->has_target = false;
}

int gather_pack(struct service *service, const uint8_t pack[ID_SIZE], uint8_t **bytes, size_t *size,
                uint8_t object[ID_SIZE], uint32_t *corrupt, struct err *err)
{
    struct nodes nodes;
    struct gathering *g = alloc_zero(1, sizeof(*g));
    bool tried = false;
    struct err why = ERR_INIT;
    nodes_init(&nodes, service);
    gather_init(g, &nodes, pack, NULL);
    *bytes = NULL;
    int result = -1;
    while (gather_rows(g, err) == 0) {
        *bytes = alloc_large(object_pack_room(&g->object->shape), err);
        if (*bytes == NULL)
            goto done;
        if (object_decode(g->object, g->rows, *bytes, err) == 0) {
            *size = g->object->shape.pack_size;
            memcpy(object, g->target, ID_SIZE);
            result = 0;
            goto done;
        }
        free(*bytes);
        *bytes = NULL;
        tried = true;
        why = *err;
        if (err->code != ERR_DAMAGED)
            goto done;
        if (g->have >= g->need + g->extra &&
            g->need + g->extra < (unsigned)g->object->shape.k + g->object->shape.m)
            g->extra++;
        else
            strike_object(g);
    }
    if (tried)
        *err = why;
done:
    *corrupt = g->corrupt;
    gather_release(g);
    free(g);
    nodes_release(&nodes);
    return result;
}
