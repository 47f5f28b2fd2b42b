/* What commands may ask. Adding a kind: a row here, its message in node/api/client.proto, its row in
 * node/README.md, and a function in node/api/client.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/wire.h"
#include "node/serve/serve_client.h"
#include "node/serve/serve_client_internal.h"
#include "node/sync/records.h"
#include "node/sync/revoke.h"

#define PAGE_BYTES_MAX   (640 * 1024) /* of records in one answer; one more fits whole */
#define PAGE_RECORDS_MAX 1024

static int answer_status(struct service *service, const struct question *question,
                         const Ecbak__ClientRequest *request, struct command_answer *answer,
                         struct err *err)
{
    (void)request, (void)question, (void)err;
    report_status(&answer->report, service, &answer->reply);
    return 0;
}

static int answer_members(struct service *service, const struct question *question,
                          const Ecbak__ClientRequest *request, struct command_answer *answer,
                          struct err *err)
{
    (void)question, (void)err;
    report_members(&answer->report, service, request->members, &answer->reply);
    return 0;
}

static int answer_put_record(struct service *service, const struct question *question,
                             const Ecbak__ClientRequest *request, struct command_answer *answer,
                             struct err *err)
{
    const Ecbak__PutRecordRequest *body = request->put_record;
    struct records_put put;
    ecbak__put_record_reply__init(&answer->put_record);
    if (service_check_member(service, err) != 0)
        return -1;
    if (records_put(&service->peers, question->payload->bytes, question->payload->size,
                    body->others_wanted, &put, err) != 0)
        return -1;
    answer->why = put.why;
    answer->put_record.others = put.others;
    answer->put_record.full = put.full;
    answer->put_record.why = answer->why.text;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_PUT_RECORD;
    answer->reply.put_record = &answer->put_record;
    return 0;
}

/* One page, in the order of hashes. The first page is preceded by a pull from everybody. */
static int answer_get_records(struct service *service, const struct question *question,
                              const Ecbak__ClientRequest *request, struct command_answer *answer,
                              struct err *err)
{
    (void)question;
    const Ecbak__GetRecordsRequest *body = request->get_records;
    struct vault_id vault;
    struct record_id after;
    Ecbak__GetRecordsReply *page = &answer->get_records;
    bool first = body->after.len == 0;
    if (!wire_take(vault.bytes, ID_SIZE, body->vault) ||
        (!first && !wire_take(after.bytes, ID_SIZE, body->after)))
        return err_set(err, ERR_FORMAT, "no vault id, or no hash to go on after");
    ecbak__get_records_reply__init(page);
    if (first)
        records_pull_all(&service->peers, &page->nodes_asked, &page->nodes_answered);
    struct record_id *hashes = alloc_zero(PAGE_RECORDS_MAX, sizeof(struct record_id));
    answer->records = alloc_zero(PAGE_RECORDS_MAX, sizeof(*answer->records));
    size_t count = 0, bytes = 0, next = 0;
    int result = store_list_records(service->peers.local.store, &vault, first ? NULL : &after,
                                    hashes, PAGE_RECORDS_MAX, &count, err);
    for (; result == 0 && next < count && bytes < PAGE_BYTES_MAX; next++) {
        uint8_t *record;
        size_t size;
        if (store_get_record(service->peers.local.store, &hashes[next], &record, &size, err) != 0) {
            log_warn("a record of this node: %s", err->text); /* others may still have it */
            continue;
        }
        answer->records[answer->record_count++] = wire_view(record, size);
        bytes += size;
    }
    if (next > 0)
        answer->last = hashes[next - 1];
    free(hashes);
    if (result != 0)
        return -1;
    page->n_records = answer->record_count;
    page->records = answer->records;
    page->more = next > 0 && (next < count || count == PAGE_RECORDS_MAX);
    page->last = wire_view(answer->last.bytes, next > 0 ? ID_SIZE : 0);
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_GET_RECORDS;
    answer->reply.get_records = page;
    return 0;
}

static int answer_revoke(struct service *service, const struct question *question,
                         const Ecbak__ClientRequest *request, struct command_answer *answer,
                         struct err *err)
{
    (void)question;
    const Ecbak__RevokeRequest *body = request->revoke;
    bool added;
    if (revoke_here(&service->peers, body->revocation.data, body->revocation.len, &added, err) != 0)
        return -1;
    ecbak__revoke_reply__init(&answer->revoke);
    answer->revoke.known = !added;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_REVOKE;
    answer->reply.revoke = &answer->revoke;
    return 0;
}

static int answer_leave(struct service *service, const struct question *question,
                        const Ecbak__ClientRequest *request, struct command_answer *answer,
                        struct err *err)
{
    (void)request, (void)question, (void)answer, (void)err;
    service_leave(service);
    return 0;
}

#define KIND(NAME) ECBAK__CLIENT_REQUEST__BODY_##NAME

static const struct client_request requests[] = {
    {{KIND(STATUS), "Status", QUEUE_QUICK, COST_MEMORY}, answer_status, NULL},
    {{KIND(MEMBERS), "Members", QUEUE_QUICK, COST_MEMORY}, answer_members, NULL},
    {{KIND(PUT_PACK), "PutPack", QUEUE_CLIENT, COST_NETWORK}, answer_put_pack, NULL},
    {{KIND(PIN_PACKS), "PinPacks", QUEUE_CLIENT, COST_NETWORK}, answer_pin_packs, NULL},
    {{KIND(GET_PACK), "GetPack", QUEUE_CLIENT, COST_NETWORK}, answer_get_pack, NULL},
    {{KIND(PUT_RECORD), "PutRecord", QUEUE_CLIENT, COST_NETWORK}, answer_put_record, NULL},
    {{KIND(GET_RECORDS), "GetRecords", QUEUE_CLIENT, COST_NETWORK}, answer_get_records, NULL},
    {{KIND(LEAVE), "Leave", QUEUE_CLIENT, COST_NETWORK}, answer_leave, "leave"},
    {{KIND(REVOKE), "Revoke", QUEUE_CLIENT, COST_FILE}, answer_revoke, "revoke"},
};

#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

const struct client_request *client_request_find(unsigned body)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        if (requests[i].kind.body != body)
            continue;
        assert(requests[i].kind.queue != QUEUE_QUICK || requests[i].kind.cost == COST_MEMORY);
        return &requests[i];
    }
    return NULL;
}

const struct request *serve_client_request(size_t i)
{
    return i < REQUESTS ? &requests[i].kind : NULL;
}
