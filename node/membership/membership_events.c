/* What the core tells of members, for people: a line in the log, and an entry among the newest
 * events. The core speaks in ids; names and addresses come from its members, and for one that it
 * has just forgotten from the table published last. */
#include "node/membership/membership_internal.h"

#include <stdio.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/base/log.h"
#include "node/common/clock.h"

/* What is known of a member now; false: nothing. */
static bool describe(struct membership *m, const struct node_id *id, struct member *member)
{
    struct swim_member found;
    if (swim_find(m->swim, id, &found))
        return member_describe(member, &found, boottime_ms()) == 0;
    const struct member *before = m->table != NULL ? member_find(m->table, id) : NULL;
    if (before != NULL)
        *member = *before;
    return before != NULL;
}

static void add_event(struct membership *m, const struct member_event *event)
{
    pthread_mutex_lock(&m->lock);
    member_events_add(&m->events, event);
    pthread_mutex_unlock(&m->lock);
}

/* Another machine has this member's key, or ours, or that is over. */
static void note_copied(struct membership *m, const struct member *member, bool warn)
{
    char text[MEMBER_TROUBLE_MAX + CERT_NAME_MAX], whose[CERT_NAME_MAX + 16];
    struct member_event event = {.time_ms = wall_ms(), .kind = "copied", .id = member->cert.node};
    memcpy(event.name, member->cert.name, sizeof(event.name));
    memcpy(event.address, member->address, sizeof(event.address));
    snprintf(event.detail, sizeof(event.detail), "%s",
             member->rival[0] != '\0' ? member->rival : "no more");
    add_event(m, &event);
    snprintf(whose, sizeof(whose), "the key of %s", member->cert.name);
    if (member->rival[0] == '\0')
        log_info("one machine alone has the key of %s again", member->cert.name);
    else if (warn)
        log_warn("%s", member_copied(text, sizeof(text), member, whose));
    else
        log_error("%s", member_copied(text, sizeof(text), member, whose));
}

void membership_note_rival(struct membership *m)
{
    struct member self;
    struct swim_member found;
    swim_member(m->swim, 0, &found);
    if (member_describe(&self, &found, boottime_ms()) != 0)
        return;
    member_describe_ourselves(m, &self);
    note_copied(m, &self, false);
}

/* Of an update people care for the address and the version, not for every figure: false when
 * neither is new. */
static bool fill_update(struct membership *m, const struct member *now, struct member_event *event)
{
    const struct member *before = m->table != NULL ? member_find(m->table, &now->cert.node) : NULL;
    if (before == NULL)
        return false;
    if (strcmp(before->version, now->version) != 0)
        snprintf(event->detail, sizeof(event->detail), "version %s", now->version);
    else if (strcmp(before->address, now->address) != 0 ||
             strcmp(before->bulk_endpoint, now->bulk_endpoint) != 0)
        snprintf(event->detail, sizeof(event->detail), "address %s", now->address);
    return event->detail[0] != '\0';
}

static void update_copied(struct membership *m, const struct member *now)
{
    const struct member *before = m->table != NULL ? member_find(m->table, &now->cert.node) : NULL;
    if (strcmp(before != NULL ? before->rival : "", now->rival) != 0)
        note_copied(m, now, true);
}

static void write_log(const struct swim_order *order, const struct member_event *event)
{
    char id[17], other[17];
    hex_encode(id, order->event.id.bytes, 8);
    hex_encode(other, order->event.other.bytes, 8);
    const char *name = event->name[0] != '\0' ? event->name : id;
    switch (order->event.event) {
    case SWIM_EVENT_CONFLICT:
        log_warn("member %s: the name %s is used by another node, %s", id, name, other);
        break;
    case SWIM_EVENT_SUSPECT:
        log_debug("member %s (%s) is suspect, says %s", name, event->address, event->detail);
        break;
    case SWIM_EVENT_UPDATED:
        log_info("member %s: %s", name, event->detail);
        break;
    case SWIM_EVENT_LEFT:
        if (event->detail[0] != '\0') {
            log_warn("member %s (%s) is shut out: %s", name, event->address, event->detail);
            break;
        }
        /* fall through */
    default:
        log_info("member %s (%s) %s", name, event->address, event->kind);
        break;
    }
}

/* The core knows only of members that left; which of them were revoked their certificates tell. */
static void fill_revoked(struct membership *m, const struct member *member,
                         struct member_event *event)
{
    struct err why = ERR_INIT;
    if (revocations_check(m->trust.revocations, &member->cert.node, member->cert.curve,
                          member->cert.serial, &why) == 0)
        return;
    event->kind = member_state_name(MEMBER_REVOKED);
    snprintf(event->detail, sizeof(event->detail), "%.*s", (int)sizeof(event->detail) - 1,
             why.text);
}

void membership_note(struct membership *m, const struct swim_order *order)
{
    struct member_event event = {.time_ms = wall_ms(), .kind = swim_event_name(order->event.event)};
    struct member member, other;
    event.id = order->event.id;
    bool known = describe(m, &order->event.id, &member);
    if (known) {
        memcpy(event.name, member.cert.name, sizeof(event.name));
        memcpy(event.address, member.address, sizeof(event.address));
    }
    if (order->event.event == SWIM_EVENT_CONFLICT &&
        id_equal(&order->event.id, &order->event.other))
        return; /* that is our own, which is said when it is known more of (membership_note_rival) */
    if (order->event.event == SWIM_EVENT_UPDATED && known)
        update_copied(m, &member);
    if (order->event.event == SWIM_EVENT_UPDATED && (!known || !fill_update(m, &member, &event)))
        return;
    if (order->event.event == SWIM_EVENT_LEFT && known)
        fill_revoked(m, &member, &event);
    bool about_other =
        order->event.event == SWIM_EVENT_SUSPECT || order->event.event == SWIM_EVENT_CONFLICT;
    if (about_other && describe(m, &order->event.other, &other))
        snprintf(event.detail, sizeof(event.detail), "%s",
                 order->event.event == SWIM_EVENT_SUSPECT ? other.cert.name : other.address);
    write_log(order, &event);
    add_event(m, &event);
}

void membership_note_incompatible(struct membership *m, const struct member *member)
{
    char advice[PROTOCOL_ADVICE_MAX];
    if (revocations_cover(m->trust.revocations, &member->cert.node, member->cert.curve,
                          member->cert.serial, NULL) ||
        !incompatible_note(&m->incompatible, member, boottime_ms()))
        return;
    m->changed = true;
    struct member_event event = {.time_ms = wall_ms(), .kind = swim_event_name(SWIM_EVENT_REFUSED)};
    event.id = member->cert.node;
    memcpy(event.name, member->cert.name, sizeof(event.name));
    memcpy(event.address, member->address, sizeof(event.address));
    snprintf(event.detail, sizeof(event.detail), "%s",
             protocol_advice(advice, member->protocol, m->protocol));
    const char *place = member->address[0] != '\0' ? member->address : "which came to us";
    log_warn("node %s (%s%s%s) %s", event.name, place, member->version[0] != '\0' ? ", " : "",
             member->version, event.detail);
    add_event(m, &event);
}
