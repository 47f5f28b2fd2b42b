/* The plain requests: one question, one answer, everything in it checked before it is believed. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/api/client_call.h"
#include "node/common/wire.h"
#include "node/trust/record.h"

#define RECORDS_BYTES_MAX ((size_t)512 << 20)
#define NODES_MAX         65536

struct client_call *client_ask(struct client *client, Ecbak__ClientRequest *request,
                               uint8_t **payload, size_t payload_size,
                               ProtobufCBinaryData *reply_payload, struct err *err)
{
    struct client_call *call;
    if (client_call_start(client, request, payload, payload_size, &call, err) != 0)
        return NULL;
    if (client_call_wait(client, call, err) == NULL) {
        client_call_end(call);
        return NULL;
    }
    if (call->err.code != ERR_NONE) {
        err_copy(err, &call->err);
        client_call_end(call);
        return NULL;
    }
    assert(call->reply != NULL);
    if (reply_payload != NULL)
        *reply_payload = call->has_reply_payload ? wire_view(zmq_msg_data(&call->reply_payload),
                                                             zmq_msg_size(&call->reply_payload))
                                                 : wire_view(NULL, 0);
    return call;
}

int client_makes_no_sense(struct client_call *call, const char *what, struct err *err)
{
    client_call_end(call);
    return err_set(err, ERR_FORMAT, "the node's answer about %s makes no sense", what);
}

struct client_call *client_ask_for(struct client *client, Ecbak__ClientRequest *request,
                                   Ecbak__ClientReply__BodyCase expected, struct err *err)
{
    struct client_call *call = client_ask(client, request, NULL, 0, NULL, err);
    if (call != NULL && call->reply->body_case != expected) {
        client_call_end(call);
        err_set(err, ERR_FORMAT, "the node answered another question");
        return NULL;
    }
    return call;
}

int client_status(struct client *client, struct node_status *status, struct err *err)
{
    Ecbak__StatusRequest body = ECBAK__STATUS_REQUEST__INIT;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_STATUS;
    request.status = &body;
    struct client_call *call =
        client_ask_for(client, &request, ECBAK__CLIENT_REPLY__BODY_STATUS, err);
    if (call == NULL)
        return -1;
    const Ecbak__StatusReply *s = call->reply->status;
    *status = (struct node_status){.members_known = s->members_known,
                                   .members_alive = s->members_alive,
                                   .data = s->data,
                                   .parity = s->parity,
                                   .capacity_bytes = s->capacity_bytes,
                                   .used_bytes = s->used_bytes,
                                   .fragments = s->fragments,
                                   .records = s->records,
                                   .certificate_until_s = s->certificate_until_s,
                                   .protocol = protocol_of(s->protocol_min, s->protocol_max),
                                   .reach_asked = s->reach_asked,
                                   .reach_failed = s->reach_failed};
    if (!wire_take(status->cluster.bytes, ID_SIZE, s->cluster) ||
        !wire_take(status->node.bytes, ID_SIZE, s->node))
        return client_makes_no_sense(call, "its status", err);
    wire_text(status->name, sizeof(status->name), s->name);
    wire_text(status->version, sizeof(status->version), s->version);
    wire_text(status->state, sizeof(status->state), s->state);
    wire_text(status->reach, sizeof(status->reach), s->reach);
    wire_text(status->no_shape, sizeof(status->no_shape), s->no_shape);
    for (size_t i = 0; i < s->n_counters && i < CLIENT_COUNTERS_MAX; i++) {
        struct counter *counter = &status->counters[status->counter_count++];
        wire_text(counter->name, sizeof(counter->name), s->counters[i]->name);
        counter->value = s->counters[i]->value;
    }
    for (size_t i = 0; i < s->n_incompatible && i < CLIENT_INCOMPATIBLE_MAX; i++)
        wire_text(status->incompatible[status->incompatible_count++],
                  sizeof(status->incompatible[0]), s->incompatible[i]);
    for (size_t i = 0; i < s->n_troubles && i < CLIENT_TROUBLES_MAX; i++)
        wire_text(status->troubles[status->trouble_count++], sizeof(status->troubles[0]),
                  s->troubles[i]);
    client_call_end(call);
    return 0;
}

static bool read_member(struct member_info *to, const Ecbak__Member *from)
{
    if (!wire_take(to->id.bytes, ID_SIZE, from->id))
        return false;
    if (from->curve.len != 0 && !wire_take(to->curve, sizeof(to->curve), from->curve))
        return false;
    wire_text(to->name, sizeof(to->name), from->name);
    wire_text(to->zone, sizeof(to->zone), from->zone);
    wire_text(to->address, sizeof(to->address), from->address);
    wire_text(to->version, sizeof(to->version), from->version);
    wire_text(to->state, sizeof(to->state), from->state);
    wire_text(to->trouble, sizeof(to->trouble), from->trouble);
    to->protocol = protocol_of(from->protocol_min, from->protocol_max);
    to->incarnation = from->incarnation;
    to->capacity_bytes = from->capacity_bytes;
    to->used_bytes = from->used_bytes;
    to->rtt_ms = from->rtt_ms;
    to->rtt_estimated = from->rtt_estimated;
    to->since_s = from->since_s;
    to->self = from->self;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct member_info *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : id_compare(&x->id, &y->id);
}

static bool read_event(struct member_event_info *to, const Ecbak__MemberEvent *from)
{
    if (!wire_take(to->id.bytes, ID_SIZE, from->id))
        return false;
    wire_text(to->kind, sizeof(to->kind), from->kind);
    wire_text(to->name, sizeof(to->name), from->name);
    wire_text(to->address, sizeof(to->address), from->address);
    wire_text(to->detail, sizeof(to->detail), from->detail);
    to->number = from->number;
    to->time_ms = from->time_ms;
    return true;
}

static bool read_members(struct member_list *list, const Ecbak__MembersReply *reply)
{
    if (!wire_take(list->cluster.bytes, ID_SIZE, reply->cluster) ||
        reply->n_events > CLIENT_EVENTS_MAX)
        return false;
    list->newest_event = reply->newest_event;
    list->members = alloc_zero(reply->n_members, sizeof(*list->members));
    for (; list->count < reply->n_members; list->count++)
        if (!read_member(&list->members[list->count], reply->members[list->count]))
            return false;
    list->events = alloc_zero(reply->n_events, sizeof(*list->events));
    for (; list->event_count < reply->n_events; list->event_count++)
        if (!read_event(&list->events[list->event_count], reply->events[list->event_count]))
            return false;
    qsort(list->members, list->count, sizeof(*list->members), by_name);
    return true;
}

int client_members_wanted(struct client *client, const struct members_wanted *wanted,
                          struct member_list *list, struct err *err)
{
    *list = (struct member_list){.count = 0};
    Ecbak__MembersRequest body = ECBAK__MEMBERS_REQUEST__INIT;
    body.events_max = wanted->events_max;
    body.events_after = wanted->events_after;
    body.without_members = !wanted->members;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_MEMBERS;
    request.members = &body;
    struct client_call *call =
        client_ask_for(client, &request, ECBAK__CLIENT_REPLY__BODY_MEMBERS, err);
    if (call == NULL)
        return -1;
    if (!read_members(list, call->reply->members)) {
        member_list_release(list);
        return client_makes_no_sense(call, "its members", err);
    }
    client_call_end(call);
    return 0;
}

int client_members(struct client *client, struct member_list *list, struct err *err)
{
    return client_members_wanted(client, &(struct members_wanted){.members = true}, list, err);
}

void member_list_release(struct member_list *list)
{
    free(list->members);
    free(list->events);
    *list = (struct member_list){.count = 0};
}

int client_put_record(struct client *client, const uint8_t *record, size_t size,
                      uint32_t others_wanted, struct record_kept *kept, struct err *err)
{
    Ecbak__PutRecordRequest body = ECBAK__PUT_RECORD_REQUEST__INIT;
    body.others_wanted = others_wanted;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_PUT_RECORD;
    request.put_record = &body;
    uint8_t *copy = alloc_copy(record, size);
    struct client_call *call = client_ask(client, &request, &copy, size, NULL, err);
    if (call == NULL)
        return -1;
    const Ecbak__PutRecordReply *reply = call->reply->put_record;
    if (call->reply->body_case != ECBAK__CLIENT_REPLY__BODY_PUT_RECORD ||
        reply->others > NODES_MAX || reply->full > NODES_MAX)
        return client_makes_no_sense(call, "a record", err);
    *kept = (struct record_kept){.others = reply->others, .full = reply->full};
    wire_text(kept->why, sizeof(kept->why), reply->why);
    client_call_end(call);
    return 0;
}

/* Takes a page over into the list; false when it makes no sense. */
static bool take_page(struct record_list *list, const Ecbak__GetRecordsReply *page, size_t *total,
                      struct record_id *last, bool first)
{
    if (page->nodes_asked > NODES_MAX || page->nodes_answered > page->nodes_asked)
        return false;
    if (first) {
        list->nodes_asked = page->nodes_asked;
        list->nodes_answered = page->nodes_answered;
    }
    size_t count = list->count + page->n_records;
    list->records = alloc_grow(list->records, count, sizeof(*list->records));
    list->sizes = alloc_grow(list->sizes, count, sizeof(*list->sizes));
    for (size_t i = 0; i < page->n_records; i++) {
        ProtobufCBinaryData record = page->records[i];
        *total += record.len;
        if (record.len == 0 || record.len > RECORD_BYTES_MAX || *total > RECORDS_BYTES_MAX)
            return false;
        list->records[list->count] = alloc_copy(record.data, record.len);
        list->sizes[list->count++] = record.len;
    }
    if (!page->more)
        return true;
    struct record_id next;
    if (page->n_records == 0 || !wire_take(next.bytes, ID_SIZE, page->last))
        return false;
    if (!first && id_compare(&next, last) <= 0)
        return false; /* would go round in circles */
    *last = next;
    return true;
}

int client_get_records(struct client *client, const struct vault_id *vault,
                       struct record_list *list, struct err *err)
{
    *list = (struct record_list){.count = 0};
    struct record_id last = {0};
    size_t total = 0;
    bool first = true, more = true;
    while (more) {
        Ecbak__GetRecordsRequest body = ECBAK__GET_RECORDS_REQUEST__INIT;
        body.vault = wire_view(vault->bytes, ID_SIZE);
        if (!first)
            body.after = wire_view(last.bytes, ID_SIZE);
        Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
        request.body_case = ECBAK__CLIENT_REQUEST__BODY_GET_RECORDS;
        request.get_records = &body;
        struct client_call *call =
            client_ask_for(client, &request, ECBAK__CLIENT_REPLY__BODY_GET_RECORDS, err);
        if (call == NULL) {
            record_list_release(list);
            return -1;
        }
        if (!take_page(list, call->reply->get_records, &total, &last, first)) {
            record_list_release(list);
            return client_makes_no_sense(call, "records", err);
        }
        more = call->reply->get_records->more;
        first = false;
        client_call_end(call);
    }
    return 0;
}

void record_list_release(struct record_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->records[i]);
    free(list->records);
    free(list->sizes);
    *list = (struct record_list){.count = 0};
}

int client_revoke(struct client *client, const uint8_t *revocation, size_t size, bool *known,
                  struct err *err)
{
    Ecbak__RevokeRequest body = ECBAK__REVOKE_REQUEST__INIT;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    body.revocation = wire_view(revocation, size);
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_REVOKE;
    request.revoke = &body;
    struct client_call *call =
        client_ask_for(client, &request, ECBAK__CLIENT_REPLY__BODY_REVOKE, err);
    if (call == NULL)
        return -1;
    *known = call->reply->revoke->known;
    client_call_end(call);
    return 0;
}

int client_leave(struct client *client, struct err *err)
{
    Ecbak__LeaveRequest body = ECBAK__LEAVE_REQUEST__INIT;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_LEAVE;
    request.leave = &body;
    struct client_call *call = client_ask(client, &request, NULL, 0, NULL, err);
    if (call == NULL)
        return -1;
    client_call_end(call);
    return 0;
}
