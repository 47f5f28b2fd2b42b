/* Borrows from the member table, the configuration and the certificate while it is packed. */
#include "node/serve/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/chores/announce.h"
#include "node/common/wire.h"
#include "node/peers/nodes.h"

static void add_counter(struct report *report, const char *name, uint64_t value)
{
    size_t at = report->status.n_counters;
    if (at == REPORT_COUNTERS_MAX)
        return;
    ecbak__counter__init(&report->counters[at]);
    report->counters[at].name = (char *)name;
    report->counters[at].value = value;
    report->counter_list[at] = &report->counters[at];
    report->status.n_counters++;
}

static void add_counters(struct report *report, struct service *service)
{
    static const char *const names[COUNTED_COUNT] = {
        [COUNTED_CORRUPT] = "fragments_corrupt",       [COUNTED_REPLACED] = "holders_replaced",
        [COUNTED_REPAIRED] = "fragments_repaired",     [COUNTED_BAD_RECEIPTS] = "receipts_refused",
        [COUNTED_GRANTS_REFUSED] = "grants_refused",   [COUNTED_UNGRANTED] = "objects_ungranted",
        [COUNTED_RECORDS_REFUSED] = "records_refused", [COUNTED_PINS_REFUSED] = "pins_refused",
        [COUNTED_MALFORMED] = "requests_malformed",    [COUNTED_BUSY] = "requests_busy",
        [COUNTED_UNPROVEN] = "members_unproven",
    };
    for (size_t i = 0; i < COUNTED_COUNT; i++)
        add_counter(report, names[i], atomic_load(&service->counters.value[i]));
    struct transport_counters bulk;
    struct membership_counters gossip;
    transport_counters(service->peers.transport, &bulk);
    membership_counters(service->peers.membership, &gossip);
    add_counter(report, "refused_no_user_id", bulk.no_user_id + gossip.no_user_id);
    add_counter(report, "refused_no_hello", bulk.no_hello);
    add_counter(report, "refused_bad_certificate", bulk.bad_certificate + gossip.bad_certificate);
    add_counter(report, "refused_foreign", bulk.foreign + gossip.foreign);
    add_counter(report, "refused_incompatible", bulk.incompatible + gossip.incompatible);
    add_counter(report, "refused_named", gossip.named);
    add_counter(report, "refused_expired", bulk.expired + gossip.expired);
    add_counter(report, "refused_revoked", bulk.revoked + gossip.revoked);
    add_counter(report, "refused_denied_key", bulk.denied_key);
    add_counter(report, "refused_malformed", bulk.malformed + gossip.malformed);
    add_counter(report, "refused_oversized", bulk.oversized);
    add_counter(report, "refused_busy", bulk.busy);
    add_counter(report, "ended_silent", bulk.door.silent + gossip.door.silent);
    add_counter(report, "ended_crowded", bulk.door.crowded + gossip.door.crowded);
    add_counter(report, "ended_oversized", bulk.door.oversized + gossip.door.oversized);
    add_counter(report, "turned_away", bulk.door.turned_away + gossip.door.turned_away);
    add_counter(report, "members_suspected", gossip.suspected);
    add_counter(report, "suspicions_refuted", gossip.refuted);
    add_counter(report, "members_died", gossip.died);
    add_counter(report, "awareness", gossip.awareness);
    add_counter(report, "messages_late", gossip.late);
}

static void add_incompatible(struct report *report, const struct member_table *table,
                             struct protocol ours)
{
    size_t *count = &report->status.n_incompatible;
    report->status.incompatible = report->incompatible_list;
    for (size_t i = 0; i < table->count && *count < INCOMPATIBLE_MAX; i++) {
        const struct member *member = &table->members[i];
        char advice[PROTOCOL_ADVICE_MAX], *to = report->incompatible[*count];
        if (member->state != MEMBER_INCOMPATIBLE)
            continue;
        snprintf(to, sizeof(report->incompatible[0]), "%s %s", member->cert.name,
                 protocol_advice(advice, member->protocol, ours));
        report->incompatible_list[(*count)++] = to;
    }
}

__attribute__((format(printf, 2, 3))) static void add_trouble(struct report *report,
                                                              const char *format, ...)
{
    size_t at = report->status.n_troubles;
    va_list args;
    if (at == REPORT_TROUBLES_MAX)
        return;
    va_start(args, format);
    vsnprintf(report->troubles[at], sizeof(report->troubles[at]), format, args);
    va_end(args);
    report->trouble_list[at] = report->troubles[at];
    report->status.n_troubles++;
    report->status.troubles = report->trouble_list;
}

/* What somebody should look after, beside what the other lines say. */
static void add_troubles(struct report *report, struct service *service,
                         const struct member_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        char text[sizeof(report->troubles[0])], whose[CERT_NAME_MAX + 16];
        const struct member *member = &table->members[i];
        snprintf(whose, sizeof(whose), "the key of %s", member->cert.name);
        if (member->rival[0] != '\0')
            add_trouble(report, "%s", member_copied(text, sizeof(text), member, whose));
    }
    uint64_t lost = store_lost(service->peers.local.store);
    if (lost > 0)
        add_trouble(report,
                    "%llu fragment%s gone from its disk since it started: the next store of their "
                    "owners makes them anew",
                    (unsigned long long)lost, lost == 1 ? " is" : "s are");
    uint64_t damaged = store_damaged(service->peers.local.store);
    if (damaged > 0)
        add_trouble(
            report,
            "%llu file%s on its disk %s damaged, found since it started, and set aside: the "
            "next store of their owners makes them anew; look after the disk",
            (unsigned long long)damaged, damaged == 1 ? "" : "s", damaged == 1 ? "was" : "were");
}

/* Waits for no disk, so that it is told also when the disk hangs. */
static char *state_of(struct report *report, struct service *service)
{
    struct store *store = service->peers.local.store;
    int64_t store_ms = store_waits_ms(store);
    int64_t notes_ms = membership_disk_waits_ms(service->peers.membership);
    int64_t waited_ms = store_ms > notes_ms ? store_ms : notes_ms;
    if (service_check_member(service, &report->state) != 0)
        return report->state.text;
    if (waited_ms >= DISK_HANGS_MS)
        err_set(
            &report->state, ERR_IO,
            "the disk hangs: something has waited for it for %lld s, and nothing is stored here "
            "until it answers",
            (long long)(waited_ms / 1000));
    else if (store_state(store, &report->state) == 0)
        return (char *)"serving";
    return report->state.text;
}

void report_status(struct report *report, struct service *service, Ecbak__ClientReply *reply)
{
    Ecbak__StatusReply *status = &report->status;
    struct nodes nodes;
    ecbak__status_reply__init(status);
    status->cluster = wire_view(service->peers.local.cluster.bytes, ID_SIZE);
    status->node = wire_view(service->peers.local.keys->node.bytes, ID_SIZE);
    status->name = (char *)service->cert->name;
    status->version = (char *)ECBAK_VERSION;
    nodes_init(&nodes, &service->peers);
    member_table_count(nodes.table, &status->members_known, &status->members_alive);
    if (nodes_shape(&nodes, &status->data, &status->parity, &report->no_shape) != 0) {
        status->data = status->parity = 0;
        status->no_shape = report->no_shape.text;
    }
    add_incompatible(report, nodes.table, service->config->protocol);
    add_troubles(report, service, nodes.table);
    nodes_release(&nodes);
    status->protocol_min = service->config->protocol.lowest;
    status->protocol_max = service->config->protocol.highest;
    status->capacity_bytes = service->config->capacity_bytes;
    store_usage(service->peers.local.store, &status->used_bytes, &status->fragments,
                &status->records);
    status->state = state_of(report, service);
    status->certificate_until_s = service->cert->not_after_s;
    reach_read(service->reach, &report->reachable);
    status->reach_asked = report->reachable.asked;
    status->reach_failed = report->reachable.failed;
    status->reach = report->reachable.text;
    add_counters(report, service);
    status->counters = report->counter_list;
    reply->body_case = ECBAK__CLIENT_REPLY__BODY_STATUS;
    reply->status = status;
}

static void add_members(struct report *report, struct service *service)
{
    report->table = membership_table(service->peers.membership);
    size_t count = report->table->count;
    uint64_t fragments, records;
    report->member_messages = alloc_zero(count, sizeof(*report->member_messages));
    report->member_troubles = alloc_zero(count, sizeof(*report->member_troubles));
    report->member_list = alloc_zero(count, sizeof(struct Ecbak__Member *));
    for (size_t i = 0; i < count; i++) {
        struct member *member = &report->table->members[i];
        Ecbak__Member *message = &report->member_messages[i];
        ecbak__member__init(message);
        message->id = wire_view(member->cert.node.bytes, ID_SIZE);
        message->curve = wire_view(member->cert.curve, sizeof(member->cert.curve));
        message->name = member->cert.name;
        message->state = (char *)(member->away && member->state == MEMBER_ALIVE
                                      ? "away"
                                      : member_state_name(member->state));
        message->address = member->address;
        message->zone = member->cert.zone;
        message->incarnation = member->incarnation;
        message->rtt_ms = member->rtt_ms;
        message->rtt_estimated = member->rtt_estimated;
        message->capacity_bytes = member->capacity_bytes;
        message->used_bytes =
            heard_now(service->peers.heard, &member->cert.node, member->used_bytes);
        if (member->self) /* of ourselves we know it as it is now */
            store_usage(service->peers.local.store, &message->used_bytes, &fragments, &records);
        message->trouble = member_trouble(report->member_troubles[i], member);
        message->version = member->version;
        message->protocol_min = member->protocol.lowest;
        message->protocol_max = member->protocol.highest;
        message->since_s = member->since_s;
        message->self = member->self;
        report->member_list[i] = message;
    }
    report->members.n_members = count;
    report->members.members = report->member_list;
}

static void add_events(struct report *report, struct service *service, uint64_t after, size_t max)
{
    if (max > MEMBER_EVENTS_MAX)
        max = MEMBER_EVENTS_MAX;
    report->events = alloc_zero(max, sizeof(*report->events));
    size_t count = membership_events(service->peers.membership, after, max, report->events,
                                     &report->members.newest_event);
    report->event_messages = alloc_zero(count, sizeof(*report->event_messages));
    report->event_list = alloc_zero(count, sizeof(struct Ecbak__MemberEvent *));
    for (size_t i = 0; i < count; i++) {
        struct member_event *event = &report->events[i];
        Ecbak__MemberEvent *message = &report->event_messages[i];
        ecbak__member_event__init(message);
        message->number = event->number;
        message->time_ms = event->time_ms;
        message->kind = (char *)event->kind;
        message->id = wire_view(event->id.bytes, ID_SIZE);
        message->name = event->name;
        message->address = event->address;
        message->detail = event->detail;
        report->event_list[i] = message;
    }
    report->members.n_events = count;
    report->members.events = report->event_list;
}

void report_members(struct report *report, struct service *service,
                    const Ecbak__MembersRequest *request, Ecbak__ClientReply *reply)
{
    ecbak__members_reply__init(&report->members);
    report->members.cluster = wire_view(service->peers.local.cluster.bytes, ID_SIZE);
    /* Events first: a table that is newer than they are misses nothing. */
    add_events(report, service, request->events_after, request->events_max);
    if (!request->without_members)
        add_members(report, service);
    reply->body_case = ECBAK__CLIENT_REPLY__BODY_MEMBERS;
    reply->members = &report->members;
}

void report_release(struct report *report)
{
    if (report->table != NULL)
        member_table_release(&report->table);
    free(report->member_messages);
    free(report->member_troubles);
    free(report->member_list);
    free(report->events);
    free(report->event_messages);
    free(report->event_list);
}
