/* The thread: poll, give the core what came and what time it is, and carry out what it orders. And
 * what the other threads may ask. */
#include "node/membership/membership_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wait.h"

#define POLL_MS_MAX 1000
#define PUBLISH_MS  2000   /* round trip times change all the time */
#define OFFER_MS    5000   /* what is used changes all the time: told at most so often */
#define REMEMBER_MS 60000  /* the members on disk are brought up to date so often */
#define COMPLAIN_MS 60000  /* the same complaint in the log */
#define AWAY_MS     600000 /* how long a stopped node asks not to be suspected */
#define LEAVE_MS    1500   /* how long a leaving node goes on gossiping */
#define FAREWELL_MS 250    /* for the last messages to reach the network */

/* ---- what comes in ------------------------------------------------------------------------- */

void membership_received(void *ctx, struct link_message *message)
{
    struct membership *m = ctx;
    struct node_id from;
    if (message->refused != ERR_NONE || message->has_payload) {
        atomic_fetch_add(&m->malformed, 1);
        return;
    }
    from = *message->node;
    m->question.now = true;
    m->question.node = from;
    m->question.ours = message->route == NULL;
    if (message->route != NULL)
        m->question.route = *message->route;
    bool own = swim_receive(m->swim, (uint64_t)boottime_ms(), &from, zmq_msg_data(message->body),
                            zmq_msg_size(message->body));
    link_spoke(m->link, message->curve, message->route, own);
    membership_carry_out(m);
    m->question.now = false;
}

void membership_lost(void *ctx, const uint8_t curve[32], const struct err *why)
{
    struct membership *m = ctx;
    (void)curve;
    if (why->code != ERR_DENIED) { /* what is incompatible is said by name, and once */
        log_debug("membership: %s", why->text);
        return;
    }
    if (m->complained_ms != 0 && boottime_ms() - m->complained_ms < COMPLAIN_MS)
        return;
    m->complained_ms = boottime_ms();
    log_warn("membership: %s", why->text);
}

void membership_incompatible(void *ctx, const struct cert *cert, struct protocol protocol,
                             const char *address)
{
    struct membership *m = ctx;
    struct member member = {.cert = *cert, .rtt_ms = -1, .since_s = wall_s(), .protocol = protocol};
    struct node_id id;
    if (address != NULL)
        snprintf(member.address, sizeof(member.address), "%s", address);
    id = cert->node;
    swim_refuse(m->swim, (uint64_t)boottime_ms(), &id);
    membership_note_incompatible(m, &member);
}

/* ---- the thread ---------------------------------------------------------------------------- */

void membership_publish(struct membership *m)
{
    if (m->changed)
        m->generation++;
    struct member_table *table = member_table_build(m, boottime_ms());
    pthread_mutex_lock(&m->lock);
    struct member_table *before = m->table;
    m->table = table;
    swim_stats(m->swim, &m->stats);
    pthread_mutex_unlock(&m->lock);
    member_table_release(&before);
    m->changed = false;
    m->published_ms = boottime_ms();
}

/* We may be out ourselves: whoever looks after this machine must know. */
static void say_if_revoked(struct membership *m)
{
    struct err why = ERR_INIT;
    if (m->revoked_said || revocations_check(m->trust.revocations, &m->trust.keys->node,
                                             m->trust.keys->curve_public, m->serial, &why) == 0)
        return;
    m->revoked_said = true;
    log_error("this node is a member no more: %s. The others refuse it, and nothing is stored "
              "through it",
              why.text);
}

/* Whom the revocations are about is expelled; where its bulk socket is stays known, for what it holds. */
static void expel_revoked(struct membership *m)
{
    struct revocation_digest now = revocations_digest(m->trust.revocations);
    if (now.digest == m->expelled.digest && now.count == m->expelled.count)
        return;
    m->expelled = now;
    m->changed = true;
    say_if_revoked(m);
    for (size_t i = 1; i < swim_member_count(m->swim); i++) {
        struct swim_member found;
        struct member member;
        swim_member(m->swim, i, &found);
        if (member_describe(&member, &found, 0) != 0 ||
            !revocations_cover(m->trust.revocations, &member.cert.node, member.cert.curve,
                               member.cert.serial, NULL))
            continue;
        struct node_id id = found.id;
        revocations_place(m->trust.revocations, &member.cert.node,
                          member.bulk_endpoint + strlen("tcp://"));
        swim_expel(m->swim, (uint64_t)boottime_ms(), &id);
        link_drop(m->link, member.cert.curve);
    }
}

static void tell_offer(struct membership *m)
{
    pthread_mutex_lock(&m->lock);
    struct membership_offer offer = m->offer;
    bool told = !m->offer_changed;
    bool urgent = offer.store_epoch != m->meta.offer.store_epoch ||
                  offer.capacity_bytes != m->meta.offer.capacity_bytes ||
                  offer.storage != m->meta.offer.storage ||
                  offer.fragments_lost != m->meta.offer.fragments_lost;
    bool changed = m->meta.revocations.digest != m->expelled.digest ||
                   m->meta.revocations.count != m->expelled.count;
    if (changed)
        told = false;
    if (!told && !urgent && !changed && boottime_ms() - m->offered_ms < OFFER_MS)
        told = true; /* later */
    else
        m->offer_changed = false;
    pthread_mutex_unlock(&m->lock);
    if (told)
        return;
    uint8_t bytes[META_BYTES_MAX];
    size_t size;
    struct err err = ERR_INIT;
    m->meta.offer = offer;
    m->meta.revocations = m->expelled;
    m->offered_ms = boottime_ms();
    if (meta_encode(&m->meta, bytes, &size, &err) != 0 ||
        swim_update(m->swim, (uint64_t)boottime_ms(), NULL, bytes, size, &err) != 0)
        log_error("membership: %s", err.text);
    m->changed = true;
}

/* A name resolves now, which may be a seed's. */
static void contact_seeds(struct membership *m)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < m->seed_count; i++)
        if (swim_join(m->swim, (uint64_t)boottime_ms(), m->seeds[i].name, &err) != 0)
            log_error("membership: %s", err.text);
}

/* Another machine with our key came, or went: people hear of it here, and through our claim everywhere.
 * While we stand by the core keeps what we say to itself. */
static void tell_rival(struct membership *m)
{
    struct swim_rival rival = {.address = ""};
    uint8_t bytes[META_BYTES_MAX];
    size_t size;
    struct err err = ERR_INIT;
    swim_rival(m->swim, &rival);
    if (strcmp(m->rival, rival.address) == 0 && m->stands_by == rival.first)
        return;
    snprintf(m->rival, sizeof(m->rival), "%s", rival.address);
    m->stands_by = rival.first;
    m->changed = true;
    membership_note_rival(m);
    snprintf(m->meta.rival, sizeof(m->meta.rival), "%.*s", (int)sizeof(m->meta.rival) - 1,
             rival.first ? "" : m->rival);
    if (meta_encode(&m->meta, bytes, &size, &err) != 0 ||
        swim_update(m->swim, (uint64_t)boottime_ms(), NULL, bytes, size, &err) != 0)
        log_error("membership: %s", err.text);
}

static int turn(struct membership *m, int64_t wait_ms)
{
    zmq_pollitem_t items[LINK_POLL_ITEMS + 1];
    link_poll_items(m->link, items);
    items[LINK_POLL_ITEMS] = (zmq_pollitem_t){.fd = m->wake_fd, .events = ZMQ_POLLIN};
    if (wait_ms > POLL_MS_MAX)
        wait_ms = POLL_MS_MAX;
    if (zmq_poll(items, LINK_POLL_ITEMS + 1, wait_ms < 0 ? 0 : (long)wait_ms) < 0 &&
        zmq_errno() != EINTR)
        return -1;
    uint64_t ignored;
    if (read(m->wake_fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN && errno != EINTR)
        return -1;
    heartbeat_beat(&m->heart);
    link_process(m->link);
    expel_revoked(m);
    tell_offer(m);
    tell_rival(m);
    if (link_names_news(m->link))
        contact_seeds(m);
    swim_tick(m->swim, (uint64_t)boottime_ms());
    membership_carry_out(m);
    m->changed |= incompatible_expire(&m->incompatible, boottime_ms());
    if (m->changed || boottime_ms() - m->published_ms >= PUBLISH_MS)
        membership_publish(m);
    if (boottime_ms() - m->remembered_ms >= REMEMBER_MS && membership_in_company(m))
        membership_remember(m);
    return 0;
}

static void turn_for(struct membership *m, int64_t duration_ms)
{
    int64_t until_ms = boottime_ms() + duration_ms;
    while (boottime_ms() < until_ms) {
        int64_t wait_ms = until_ms - boottime_ms();
        int64_t tick_ms = (int64_t)swim_next_ms(m->swim) - boottime_ms();
        if (turn(m, tick_ms < wait_ms ? tick_ms : wait_ms) != 0)
            return;
    }
}

void *membership_run(void *argument)
{
    struct membership *m = argument;
    say_if_revoked(m);
    membership_carry_out(m);
    membership_publish(m);
    bool left = false, stopping = false;
    while (!stopping) {
        if (turn(m, (int64_t)swim_next_ms(m->swim) - boottime_ms()) != 0)
            break;
        pthread_mutex_lock(&m->lock);
        stopping = m->stopping;
        bool leaving = m->leaving && !left;
        pthread_mutex_unlock(&m->lock);
        if (!leaving)
            continue;
        m->notes.left_serial = m->serial; /* known here before it is told, or it could be undone */
        membership_remember(m);
        if (!notes_writer_flush(m->notes_writer, LEAVE_MS / 2))
            log_error("membership: the disk does not take down that this node leaves for good");
        swim_leave(m->swim, (uint64_t)boottime_ms());
        membership_carry_out(m);
        turn_for(m, LEAVE_MS);
        left = true;
        pthread_mutex_lock(&m->lock);
        m->left = true;
        pthread_cond_broadcast(&m->left_cond);
        pthread_mutex_unlock(&m->lock);
    }
    if (!left) {
        swim_away(m->swim, (uint64_t)boottime_ms(), AWAY_MS);
        membership_carry_out(m);
        turn_for(m, FAREWELL_MS);
        membership_remember(m);
    }
    pthread_mutex_lock(&m->lock);
    m->left = true;
    pthread_cond_broadcast(&m->left_cond);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* ---- for other threads --------------------------------------------------------------------- */

static void wake(struct membership *m)
{
    uint64_t one = 1;
    ssize_t ignored = write(m->wake_fd, &one, sizeof(one));
    (void)ignored; /* it fails only when it is full of wake-ups */
}

void membership_destroy(struct membership **membership)
{
    struct membership *m = *membership;
    if (m == NULL)
        return;
    if (m->thread_runs) {
        pthread_mutex_lock(&m->lock);
        m->stopping = true;
        pthread_mutex_unlock(&m->lock);
        wake(m);
        pthread_join(m->thread, NULL);
    }
    notes_writer_destroy(&m->notes_writer);
    link_destroy(&m->link);
    swim_destroy(&m->swim);
    member_table_release(&m->table);
    trust_release(&m->trust);
    if (m->wake_fd >= 0)
        close(m->wake_fd);
    pthread_cond_destroy(&m->left_cond);
    pthread_mutex_destroy(&m->lock);
    free(m);
    *membership = NULL;
}

struct member_table *membership_table(struct membership *m)
{
    pthread_mutex_lock(&m->lock);
    struct member_table *table = m->table;
    int references = __atomic_add_fetch(&table->references, 1, __ATOMIC_ACQ_REL);
    assert(references > 1); /* one is the membership's own */
    pthread_mutex_unlock(&m->lock);
    return table;
}

size_t membership_events(struct membership *m, uint64_t after, size_t max, struct member_event *to,
                         uint64_t *newest)
{
    pthread_mutex_lock(&m->lock);
    size_t count = member_events_after(&m->events, after, max, to);
    *newest = m->events.newest;
    pthread_mutex_unlock(&m->lock);
    return count;
}

void membership_update(struct membership *m, const struct membership_offer *offer)
{
    pthread_mutex_lock(&m->lock);
    m->offer_changed |= memcmp(&m->offer, offer, sizeof(*offer)) != 0;
    m->offer = *offer;
    pthread_mutex_unlock(&m->lock);
    wake(m);
}

void membership_revocations_changed(struct membership *m)
{
    wake(m);
}

void membership_leave(struct membership *m)
{
    int64_t until_ms = monotonic_ms() + 2 * LEAVE_MS;
    pthread_mutex_lock(&m->lock);
    m->leaving = true;
    wake(m);
    while (!m->left && wait_until(&m->left_cond, &m->lock, until_ms))
        continue;
    pthread_mutex_unlock(&m->lock);
}

int64_t membership_disk_waits_ms(struct membership *m)
{
    return notes_writer_waits_ms(m->notes_writer);
}

struct heartbeat *membership_heart(struct membership *m)
{
    return &m->heart;
}

void membership_counters(struct membership *m, struct membership_counters *c)
{
    struct link_counters link;
    link_counters(m->link, &link);
    *c = (struct membership_counters){
        .no_user_id = link.no_user_id,
        .bad_certificate =
            link.bad_certificate + link.denied_key + atomic_load(&m->trust.refused_count),
        .foreign = link.foreign + atomic_load(&m->trust.foreign_count),
        .incompatible = link.incompatible,
        .expired = link.expired + atomic_load(&m->trust.expired_count),
        .revoked = link.revoked + atomic_load(&m->trust.revoked_count),
        .malformed = link.malformed + link.no_hello + atomic_load(&m->malformed),
        .late = link.late};
    pthread_mutex_lock(&m->lock);
    c->suspected = m->stats.suspect_count;
    c->refuted = m->stats.refute_count;
    c->died = m->stats.dead_count;
    c->awareness = m->stats.awareness;
    pthread_mutex_unlock(&m->lock);
}
