/* What another node may send: requests, answered by a holder with a real (empty) store, and answers,
 * as the jobs that asked read them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "coding/hash_tree.h"
#include "coding/rs.h"
#include "node/api/client.pb-c.h"
#include "node/api/client_call.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/repair/prove_internal.h"
#include "node/serve/serve_peer.h"
#include "node/transfer/sightings.h"
#include "node/trust/node_keys.h"
#include "test/remove_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct local local;
static struct responder responder = {.local = &local};
static struct counters counters;
static uint8_t authority_public[32], authority_secret[64];

static char dir[] = "/tmp/ecbak-fuzz-peer-XXXXXX";

static void remove_all(void)
{
    remove_tree(dir);
}

static void open_local(void)
{
    char data_dir[64];
    struct err err = ERR_INIT;
    if (sodium_init() < 0 || rs_setup(&err) != 0 || mkdtemp(dir) == NULL)
        abort();
    atexit(remove_all);
    struct node_keys *keys = node_keys_new();
    snprintf(data_dir, sizeof(data_dir), "%s/data", dir);
    struct store_terms terms = {
        .node = keys->node, .capacity_bytes = 1 << 20, .sponsor_percent = 50};
    crypto_sign_keypair(terms.authority_public, authority_secret);
    memcpy(authority_public, terms.authority_public, sizeof(authority_public));
    cluster_id(&local.cluster, authority_public);
    local.authority_public = authority_public;
    local.keys = keys;
    local.counters = &counters;
    allowance_new(&local.allowance, LOCAL_RECORDS_AT_ONCE, LOCAL_RECORDS_AN_HOUR);
    if (store_create(data_dir, &keys->node, &err) != 0 ||
        store_open(&local.store, data_dir, &terms, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

/* Dialling a caller back waits for a network; what it may say is its own affair. */
int reach_dial(struct reach *reach, const struct node_id *node, const char *from,
               Ecbak__DialBackReply *reply, char text[REACH_TEXT_SIZE], struct err *err)
{
    (void)reach, (void)node, (void)from, (void)err;
    snprintf(text, REACH_TEXT_SIZE, "tcp://127.0.0.1:1: nobody answers");
    reply->text = text;
    return 0;
}

static void as_request(const uint8_t *header, size_t header_size, const uint8_t *payload,
                       size_t payload_size)
{
    static const struct node_id node;
    uint8_t *reply;
    size_t reply_size;
    struct payload answer = {.size = 0}, given = {(uint8_t *)payload, payload_size, NULL, NULL};
    const struct question question = {.node = &node,
                                      .queue = serve_peer_queue(header, header_size),
                                      .header = header,
                                      .header_size = header_size,
                                      .payload = &given};
    serve_peer(&responder, &question, &reply, &reply_size, &answer);
    if (reply_size > TRANSPORT_HEADER_MAX || answer.size > TRANSPORT_PAYLOAD_MAX)
        abort(); /* an answer that could not be sent */
    void *read =
        wire_unpack(&ecbak__peer_reply__descriptor, reply, reply_size, ASK_REPLY_BUDGET, NULL);
    if (read == NULL)
        abort(); /* nor understood */
    wire_free(read);
    free(reply);
    payload_release(&answer);
}

/* Any bytes: how many of them are the header is what the first says. */
static void as_any_request(const uint8_t *data, size_t size)
{
    size_t header_size = size > 0 ? data[0] : 0;
    size_t at = size > 0 ? 1 : 0;
    if (header_size > size - at)
        header_size = size - at;
    as_request(data + at, header_size, data + at + header_size, size - at - header_size);
}

/* A request of a kind out of the table, with any bytes as its fields. */
static void as_known_request(const uint8_t *data, size_t size)
{
    uint8_t header[4 + UINT8_MAX];
    size_t kinds = 0, used = 0, fields;
    while (serve_peer_request(kinds) != NULL)
        kinds++;
    if (size < 2 || kinds == 0)
        return;
    unsigned body = serve_peer_request(data[0] % kinds)->body;
    fields = data[1] & 0x7f;
    if (fields > size - 2)
        fields = size - 2;
    for (unsigned key = body << 3 | 2; key > 0; key >>= 7)
        header[used++] = (uint8_t)((key & 0x7f) | (key > 0x7f ? 0x80 : 0));
    header[used++] = (uint8_t)fields;
    memcpy(header + used, data + 2, fields);
    as_request(header, used + fields, data + 2 + fields, size - 2 - fields);
}

/* What a node sends as proof of a row that it claimed; the bytes behind the message are the payload. */
static void as_proof(const Ecbak__ReadLeavesReply *reply, const uint8_t *data, size_t size)
{
    static const struct pack_id pack = {{1}};
    struct sighting claim = {
        .data = 4, .parity = 2, .pack_bytes = 5 * HASH_TREE_LEAF_SIZE, .counted = true};
    struct sightings seen = {.items = &claim, .count = 1};
    uint8_t *copy = malloc(size + 1);
    struct payload payload = {.bytes = copy, .size = size};
    struct unproven report;
    struct examined e;
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    examined_init(&e, 0, &seen, 16);
    examined_take_answer(&e, &pack, reply, &payload);
    examined_report(&e, &report);
    if (!e.over || !claim.failed)
        abort(); /* nobody has such a row */
    examined_release(&e);
    free(copy);
}

static void as_reply(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    Ecbak__PeerReply *reply =
        wire_unpack(&ecbak__peer_reply__descriptor, data, size, ASK_REPLY_BUDGET, &err);
    if (reply == NULL)
        return;
    struct sightings sightings = {.count = 0};
    struct member member = {.self = true};
    struct member_table table = {.members = &member, .count = 1};
    const struct nodes picture = {.table = &table, .count = 1};
    struct pages pages = {.count = 0};
    struct page page = {.n_fragments = 0};
    size_t nodes;
    if (reply->error != ERR_NONE)
        wire_error(&err, reply->error, reply->error_text);
    if (reply->body_case == ECBAK__PEER_REPLY__BODY_LOCATE)
        page = (struct page){reply->locate->n_fragments, reply->locate->fragments,
                             reply->locate->more};
    if (reply->body_case == ECBAK__PEER_REPLY__BODY_PIN)
        page = (struct page){reply->pin->n_fragments, reply->pin->fragments, reply->pin->more};
    if (reply->body_case == ECBAK__PEER_REPLY__BODY_READ_LEAVES)
        as_proof(reply->read_leaves, data, size);
    /* One who says that there is more says the same again, until nothing of it is new. */
    for (unsigned asked = 0; sightings_add_page(&sightings, &picture, 0, 2, &pages, &page); asked++)
        if (asked > ASK_PAGES_MAX)
            abort();
    for (size_t i = 0; i < sightings.count; i++) {
        if (sightings.items[i].index >= RS_TOTAL_MAX || sightings.items[i].pack >= 2)
            abort();
        (void)sightings_rows(&sightings, &sightings.items[i].object, &nodes);
    }
    sightings_release(&sightings);
    wire_free(reply);
}

static void as_client_reply(const uint8_t *data, size_t size)
{
    Ecbak__ClientReply *reply =
        wire_unpack(&ecbak__client_reply__descriptor, data, size, CLIENT_UNPACK_BUDGET, NULL);
    if (reply == NULL)
        return;
    struct redundancy held;
    if (reply->body_case == ECBAK__CLIENT_REPLY__BODY_PUT_PACK &&
        client_read_redundancy(&held, reply->put_pack->held) && held.nodes > 255)
        abort();
    wire_free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (local.store == NULL)
        open_local();
    if (size == 0)
        return 0;
    switch (data[0] & 3) {
    case 0:
        as_any_request(data + 1, size - 1);
        break;
    case 1:
        as_known_request(data + 1, size - 1);
        break;
    case 2:
        as_reply(data + 1, size - 1);
        break;
    default:
        as_client_reply(data + 1, size - 1);
    }
    return 0;
}
