/* What a command may send to its node: every kind of request in the table, answered as the node does,
 * with what it would wait for played at link time. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/fragment_bundle.h"
#include "node/common/wire.h"
#include "node/repair/pin_packs.h"
#include "node/serve/report.h"
#include "node/serve/serve_client.h"
#include "node/serve/serve_client_internal.h"
#include "node/sync/records.h"
#include "node/sync/revoke.h"
#include "node/transfer/get_pack.h"
#include "node/transfer/put_pack.h"
#include "node/trust/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct service service;

/* ---- the cluster ----------------------------------------------------------------------------- */

int put_pack(struct peers *peers, struct payload *fragments, const uint8_t *grant,
             size_t grant_size, struct redundancy *held, struct err *err)
{
    (void)peers, (void)grant;
    struct fragment_bundle bundle;
    if (grant_size == 7)
        return err_set(err, ERR_TOO_FEW, "nobody is there");
    if (fragment_bundle_open(&bundle, fragments->bytes, fragments->size, err) != 0)
        return -1;
    *held = (struct redundancy){.nodes = 3};
    return 0;
}

int pin_packs(struct peers *peers, const struct pin_wanted *wanted, struct pin_result *result,
              struct err *err)
{
    (void)peers, (void)err;
    if (wanted->count == 0 || wanted->count > CLIENT_PIN_MAX ||
        wanted->leaves > CLIENT_PROVE_LEAVES || wanted->without_count > CLIENT_UNPROVEN_MAX)
        abort();
    for (size_t i = 0; i < wanted->count; i++)
        result->held[i].pack = wanted->packs[i];
    return 0;
}

struct credentials local_credentials(const struct local *local)
{
    static struct node_keys keys;
    static struct cert cert = {.name = "node", .zone = "zone"};
    (void)local;
    return (struct credentials){&keys, &cert, NULL};
}

int get_pack(struct peers *peers, const struct wanted_pack *wanted, uint8_t **bytes, size_t *size,
             struct object_id *object, uint32_t *corrupt, struct err *err)
{
    (void)peers;
    const struct pack_id *pack = wanted->pack;
    if (pack->bytes[0] == 0)
        return err_set(err, ERR_NOT_FOUND, "nobody has it");
    *size = 16;
    *bytes = alloc_zero(*size, 1);
    id_set(object, pack->bytes);
    *corrupt = pack->bytes[1];
    return 0;
}

int records_put(struct peers *peers, const uint8_t *record, size_t size, uint32_t wanted,
                struct records_put *put, struct err *err)
{
    (void)peers, (void)record;
    *put = (struct records_put){.others = wanted};
    return size == 0 ? err_set(err, ERR_FORMAT, "no record") : 0;
}

void records_pull_all(struct peers *peers, uint32_t *asked, uint32_t *answered)
{
    (void)peers;
    *asked = *answered = 1;
}

int store_list_records(struct store *store, const struct vault_id *vault,
                       const struct record_id *after, struct record_id *hashes, size_t max,
                       size_t *count, struct err *err)
{
    (void)store, (void)after, (void)err;
    *count = vault->bytes[0] < max ? vault->bytes[0] : max;
    for (size_t i = 0; i < *count; i++)
        memset(hashes[i].bytes, (int)i, ID_SIZE);
    return 0;
}

int store_get_record(struct store *store, const struct record_id *hash, uint8_t **bytes,
                     size_t *size, struct err *err)
{
    (void)store;
    if (hash->bytes[0] % 5 == 0)
        return err_set(err, ERR_NOT_FOUND, "it went");
    *size = RECORD_BYTES_MAX / (size_t)(1 + hash->bytes[0]);
    *bytes = alloc_zero(*size, 1);
    return 0;
}

int revoke_here(struct peers *peers, const uint8_t *bytes, size_t size, bool *added,
                struct err *err)
{
    (void)peers, (void)bytes;
    *added = true;
    return size == 0 ? err_set(err, ERR_FORMAT, "no revocation") : 0;
}

void report_status(struct report *report, struct service *s, Ecbak__ClientReply *reply)
{
    (void)s;
    ecbak__status_reply__init(&report->status);
    reply->body_case = ECBAK__CLIENT_REPLY__BODY_STATUS;
    reply->status = &report->status;
}

void report_members(struct report *report, struct service *s, const Ecbak__MembersRequest *request,
                    Ecbak__ClientReply *reply)
{
    (void)s, (void)request;
    ecbak__members_reply__init(&report->members);
    reply->body_case = ECBAK__CLIENT_REPLY__BODY_MEMBERS;
    reply->members = &report->members;
}

void report_release(struct report *report)
{
    (void)report;
}

int service_check_member(struct service *s, struct err *err)
{
    (void)s, (void)err;
    return 0;
}

void service_leave(struct service *s)
{
    (void)s;
}

/* ---- the command ----------------------------------------------------------------------------- */

static void ask(const uint8_t *header, size_t header_size, const uint8_t *payload,
                size_t payload_size)
{
    struct payload given = {(uint8_t *)payload, payload_size, NULL, NULL};
    const struct question question = {.by_owner = true,
                                      .queue = serve_client_queue(header, header_size),
                                      .header = header,
                                      .header_size = header_size,
                                      .payload = &given};
    uint8_t *reply;
    size_t reply_size;
    struct payload answer = {.size = 0};
    serve_client(&service, &question, &reply, &reply_size, &answer);
    if (reply_size > TRANSPORT_HEADER_MAX || answer.size > TRANSPORT_PAYLOAD_MAX)
        abort(); /* an answer that could not be sent */
    void *read =
        wire_unpack(&ecbak__client_reply__descriptor, reply, reply_size, (size_t)8 << 20, NULL);
    if (read == NULL)
        abort(); /* nor understood */
    wire_free(read);
    free(reply);
    payload_release(&answer);
}

/* The first byte chooses a kind out of the table, or none: then all are the request's own bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t header[4 + UINT8_MAX];
    size_t kinds = 0, used = 0;
    while (serve_client_request(kinds) != NULL)
        kinds++;
    if (size < 2)
        return 0;
    size_t fields = data[1] & 0x7f;
    if (fields > size - 2)
        fields = size - 2;
    size_t kind = data[0] % (kinds + 1);
    if (kind < kinds) {
        for (unsigned key = serve_client_request(kind)->body << 3 | 2; key > 0; key >>= 7)
            header[used++] = (uint8_t)((key & 0x7f) | (key > 0x7f ? 0x80 : 0));
        header[used++] = (uint8_t)fields;
    }
    memcpy(header + used, data + 2, fields);
    ask(header, used + fields, data + 2 + fields, size - 2 - fields);
    return 0;
}
