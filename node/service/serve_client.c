/* Everything that an answer borrows lives in one struct answer, which is freed after packing. */
#include "node/service/serve_client.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/pack_id.h"
#include "node/api/client.pb-c.h"
#include "node/api/wire.h"
#include "node/base/log.h"
#include "node/service/gather.h"
#include "node/service/records.h"
#include "node/service/report.h"
#include "node/service/revoke.h"
#include "node/service/spread.h"
#include "node/service/vouch.h"

#define REQUEST_BYTES_MAX (256 * 1024)
#define REQUEST_BUDGET    (1024 * 1024)
#define PAGE_BYTES_MAX    (700 * 1024) /* of records in one answer; one more fits whole */
#define PAGE_RECORDS_MAX  1024

struct answer {
    Ecbak__ClientReply reply;
    Ecbak__PutPackReply put_pack;
    Ecbak__VouchReply vouch;
    Ecbak__GetPackReply get_pack;
    Ecbak__PutRecordReply put_record;
    Ecbak__GetRecordsReply get_records;
    Ecbak__RevokeReply revoke;
    struct report report; /* of status and members */
    struct held *held;
    Ecbak__Held *held_messages;
    Ecbak__Held **held_list;
    uint8_t object[ID_SIZE];
    uint8_t last[ID_SIZE];
    ProtobufCBinaryData *records;
    size_t record_count;
    struct payload payload;
};

static void answer_release(struct answer *answer)
{
    for (size_t i = 0; i < answer->record_count; i++)
        free(answer->records[i].data);
    free(answer->records);
    free(answer->held);
    free(answer->held_messages);
    free(answer->held_list);
    report_release(&answer->report);
}

static void free_payload(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

static int take_pin(struct pin *pin, const Ecbak__Pin *from, struct err *err)
{
    *pin = (struct pin){.number = 0};
    if (from == NULL || !wire_take(pin->vault, ID_SIZE, from->vault) ||
        !wire_take(pin->writer, WRITER_SIZE, from->writer))
        return err_set(err, ERR_FORMAT, "a pin without vault and writer");
    pin->number = from->number;
    return 0;
}

static void fill_held(Ecbak__Held *message, struct held *held)
{
    ecbak__held__init(message);
    message->pack = wire_view(held->pack, ID_SIZE);
    message->object = wire_view(held->object, ID_SIZE);
    message->data = held->data;
    message->parity = held->parity;
    message->nodes = held->nodes;
    message->others = held->others;
    message->sent_bytes = held->sent_bytes;
}

static int put_pack(struct service *service, const Ecbak__PutPackRequest *request,
                    const struct payload *payload, struct answer *answer, struct err *err)
{
    struct pin pin;
    if (take_pin(&pin, request->pin, err) != 0)
        return -1;
    if (payload->size == 0 || payload->size > PACK_SIZE_MAX)
        return err_set(err, ERR_INVALID, "a pack of %zu bytes; 1 to %zu can be stored",
                       payload->size, PACK_SIZE_MAX);
    answer->held = alloc_zero(1, sizeof(*answer->held));
    if (spread_pack(service, payload->bytes, payload->size, request->grant.data, request->grant.len,
                    &pin, request->data, request->parity, answer->held, err) != 0)
        return -1;
    answer->held_messages = alloc_zero(1, sizeof(*answer->held_messages));
    fill_held(answer->held_messages, answer->held);
    ecbak__put_pack_reply__init(&answer->put_pack);
    answer->put_pack.held = answer->held_messages;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_PUT_PACK;
    answer->reply.put_pack = &answer->put_pack;
    return 0;
}

static int vouch(struct service *service, const Ecbak__VouchRequest *request, struct answer *answer,
                 struct err *err)
{
    struct pin pin;
    size_t count = request->n_packs;
    if (take_pin(&pin, request->pin, err) != 0)
        return -1;
    if (count == 0 || count > CLIENT_VOUCH_MAX)
        return err_set(err, ERR_INVALID, "%zu packs to vouch for; 1 to %d at a time", count,
                       CLIENT_VOUCH_MAX);
    uint8_t(*packs)[ID_SIZE] = alloc_zero(count, ID_SIZE);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (!wire_take(packs[i], ID_SIZE, request->packs[i]))
            result = err_set(err, ERR_FORMAT, "pack %zu is no pack id", i);
    }
    answer->held = alloc_zero(count, sizeof(*answer->held));
    if (result == 0)
        result = vouch_packs(service, &pin, (const uint8_t(*)[ID_SIZE])packs, count, request->heal,
                             answer->held, err);
    free(packs);
    if (result != 0)
        return -1;
    answer->held_messages = alloc_zero(count, sizeof(*answer->held_messages));
    answer->held_list = alloc_zero(count, sizeof(struct Ecbak__Held *));
    for (size_t i = 0; i < count; i++) {
        fill_held(&answer->held_messages[i], &answer->held[i]);
        answer->held_list[i] = &answer->held_messages[i];
    }
    ecbak__vouch_reply__init(&answer->vouch);
    answer->vouch.n_held = count;
    answer->vouch.held = answer->held_list;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_VOUCH;
    answer->reply.vouch = &answer->vouch;
    return 0;
}

static int get_pack(struct service *service, const Ecbak__GetPackRequest *request,
                    struct answer *answer, struct err *err)
{
    uint8_t pack[ID_SIZE];
    uint8_t *bytes;
    size_t size;
    uint32_t corrupt;
    if (!wire_take(pack, ID_SIZE, request->pack))
        return err_set(err, ERR_FORMAT, "no pack id");
    if (gather_pack(service, pack, &bytes, &size, answer->object, &corrupt, err) != 0)
        return -1;
    answer->payload = (struct payload){bytes, size, free_payload, NULL};
    ecbak__get_pack_reply__init(&answer->get_pack);
    answer->get_pack.object = wire_view(answer->object, ID_SIZE);
    answer->get_pack.corrupt = corrupt;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_GET_PACK;
    answer->reply.get_pack = &answer->get_pack;
    return 0;
}

static int put_record(struct service *service, const Ecbak__PutRecordRequest *request,
                      const struct payload *payload, struct answer *answer, struct err *err)
{
    ecbak__put_record_reply__init(&answer->put_record);
    if (records_put(service, payload->bytes, payload->size, request->others_wanted,
                    &answer->put_record.others, err) != 0)
        return -1;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_PUT_RECORD;
    answer->reply.put_record = &answer->put_record;
    return 0;
}

/* One page, in the order of hashes. The first page is preceded by a pull from everybody. */
static int get_records(struct service *service, const Ecbak__GetRecordsRequest *request,
                       struct answer *answer, struct err *err)
{
    uint8_t vault[ID_SIZE], after[ID_SIZE];
    Ecbak__GetRecordsReply *page = &answer->get_records;
    bool first = request->after.len == 0;
    if (!wire_take(vault, ID_SIZE, request->vault) ||
        (!first && !wire_take(after, ID_SIZE, request->after)))
        return err_set(err, ERR_FORMAT, "no vault id, or no hash to go on after");
    ecbak__get_records_reply__init(page);
    if (first)
        records_pull_all(service, &page->nodes_asked, &page->nodes_answered);
    uint8_t(*hashes)[ID_SIZE] = alloc_zero(PAGE_RECORDS_MAX, ID_SIZE);
    answer->records = alloc_zero(PAGE_RECORDS_MAX, sizeof(*answer->records));
    size_t count = 0, bytes = 0, next = 0;
    int result = store_list_records(service->store, vault, first ? NULL : after, hashes,
                                    PAGE_RECORDS_MAX, &count, err);
    for (; result == 0 && next < count && bytes < PAGE_BYTES_MAX; next++) {
        uint8_t *record;
        size_t size;
        if (store_get_record(service->store, hashes[next], &record, &size, err) != 0) {
            log_warn("a record of this node: %s", err->text); /* others may still have it */
            continue;
        }
        answer->records[answer->record_count++] = wire_view(record, size);
        bytes += size;
    }
    if (next > 0)
        memcpy(answer->last, hashes[next - 1], ID_SIZE);
    free(hashes);
    if (result != 0)
        return -1;
    page->n_records = answer->record_count;
    page->records = answer->records;
    page->more = next > 0 && (next < count || count == PAGE_RECORDS_MAX);
    page->last = wire_view(answer->last, next > 0 ? ID_SIZE : 0);
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_GET_RECORDS;
    answer->reply.get_records = page;
    return 0;
}

static int revoke(struct service *service, const Ecbak__RevokeRequest *request,
                  struct answer *answer, struct err *err)
{
    bool added;
    if (revoke_here(service, request->revocation.data, request->revocation.len, &added, err) != 0)
        return -1;
    ecbak__revoke_reply__init(&answer->revoke);
    answer->revoke.known = !added;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_REVOKE;
    answer->reply.revoke = &answer->revoke;
    return 0;
}

static int dispatch(struct service *service, const Ecbak__ClientRequest *request,
                    const struct payload *payload, struct answer *answer, struct err *err)
{
    switch (request->body_case) {
    case ECBAK__CLIENT_REQUEST__BODY_STATUS:
        report_status(&answer->report, service, &answer->reply);
        return 0;
    case ECBAK__CLIENT_REQUEST__BODY_MEMBERS:
        report_members(&answer->report, service, request->members, &answer->reply);
        return 0;
    case ECBAK__CLIENT_REQUEST__BODY_PUT_PACK:
        return put_pack(service, request->put_pack, payload, answer, err);
    case ECBAK__CLIENT_REQUEST__BODY_VOUCH:
        return vouch(service, request->vouch, answer, err);
    case ECBAK__CLIENT_REQUEST__BODY_GET_PACK:
        return get_pack(service, request->get_pack, answer, err);
    case ECBAK__CLIENT_REQUEST__BODY_PUT_RECORD:
        return put_record(service, request->put_record, payload, answer, err);
    case ECBAK__CLIENT_REQUEST__BODY_GET_RECORDS:
        return get_records(service, request->get_records, answer, err);
    case ECBAK__CLIENT_REQUEST__BODY_REVOKE:
        return revoke(service, request->revoke, answer, err);
    case ECBAK__CLIENT_REQUEST__BODY_LEAVE:
        service_leave(service);
        return 0;
    default:
        return err_set(err, ERR_VERSION,
                       "a request that this node does not know: are command and ecbakd of the "
                       "same version?");
    }
}

void serve_client(struct service *service, struct incoming *incoming)
{
    struct err err = ERR_INIT;
    struct answer *answer = alloc_zero(1, sizeof(*answer));
    ecbak__client_reply__init(&answer->reply);
    Ecbak__ClientRequest *request = NULL;
    if (incoming->header_size > REQUEST_BYTES_MAX)
        err_set(&err, ERR_FORMAT, "a request of %zu bytes", incoming->header_size);
    else
        request = wire_unpack(&ecbak__client_request__descriptor, incoming->header,
                              incoming->header_size, REQUEST_BUDGET, &err);
    if (request == NULL)
        count_one(&service->counters, COUNTED_MALFORMED);
    else
        answer->reply.call = request->call;
    if (request == NULL || dispatch(service, request, &incoming->payload, answer, &err) != 0) {
        answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY__NOT_SET;
        answer->reply.error = err.code == ERR_NONE ? ERR_IO : err.code;
        answer->reply.error_text = err.text;
    }
    /* While this node stops, others were not asked to the end, so it failed or says too little: an
     * answer to no call is none, the command sees its connection go and asks again. Not so the
     * command that made it stop. */
    if (atomic_load(&service->stop) && request != NULL &&
        request->body_case != ECBAK__CLIENT_REQUEST__BODY_LEAVE)
        answer->reply.call = 0;
    wire_free(request);
    atomic_fetch_add(&service->moved_bytes, answer->payload.size);
    size_t size;
    uint8_t *header = wire_pack(&answer->reply, &size);
    transport_reply(service->transport, incoming, header, size, &answer->payload);
    free(header);
    answer_release(answer);
    free(answer);
}
