/* What it does unasked: one thread, started with the chores, which works until the process ends. */
#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"
#include "node/base/log.h"
#include "node/chores/chores.h"
#include "node/common/clock.h"
#include "node/common/wait.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/nodes.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"
#include "test/liar/liar.h"

#define LOOT_MAX    256
#define FAKE_K      200
#define FAKE_M      50
#define FAKE_ROWS   16
#define LOADS       800
#define LOAD_PACKS  2048
#define RECORD_SIZE (120 * 1024)

static struct {
    pthread_mutex_t lock;
    struct loot items[LOOT_MAX];
    size_t count, done;
} loot = {.lock = PTHREAD_MUTEX_INITIALIZER};

void liar_loot(const struct loot *item)
{
    pthread_mutex_lock(&loot.lock);
    if (loot.count < LOOT_MAX) {
        struct loot *kept = &loot.items[loot.count++];
        *kept = *item;
        kept->grant = alloc_copy(item->grant, item->grant_size);
    }
    pthread_mutex_unlock(&loot.lock);
}

static void release_copy(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

/* Asks each other member in turn, with a copy of the payload; returns how many refused. */
static size_t tell_all(struct peers *peers, const Ecbak__PeerRequest *request, const uint8_t *bytes,
                       size_t size)
{
    struct nodes nodes;
    size_t refused = 0;
    nodes_init(&nodes, peers);
    for (size_t i = 0; i < nodes.count; i++) {
        struct call *call;
        struct payload payload = {0};
        if (nodes.candidates[i].self || nodes.standings[i] > STANDING_DOUBTFUL)
            continue;
        if (size > 0)
            payload = (struct payload){alloc_copy(bytes, size), size, release_copy, NULL};
        if (ask_start(peers->transport, &nodes.candidates[i].node, request, &payload,
                      SMALL_TIMEOUT_MS, &call, NULL) == 0) {
            ask_wait(&call, 1, monotonic_ms() + SMALL_TIMEOUT_MS);
            Ecbak__PeerReply *reply = ask_reply(call, ECBAK__PEER_REPLY__BODY__NOT_SET, NULL, NULL);
            refused += reply == NULL;
            wire_free(reply);
            call_destroy(&call);
        }
    }
    nodes_release(&nodes);
    return refused;
}

/* Rows of zeros that say that they are of this pack. The last row differs until the object's id begins
 * with a zero: holders sort by it, and it is to come first. */
static void make_fake(const struct loot *item, struct object *object, struct object_id *id,
                      uint8_t **row, uint8_t **leaves)
{
    *object = (struct object){.code = OBJECT_CODE_RS_VANDERMONDE_8,
                              .layout = OBJECT_LAYOUT_WHOLE_ROWS,
                              .pack_id = item->pack};
    if (object_shape_of(&object->shape, item->pack_bytes, FAKE_K, FAKE_M, NULL) != 0)
        abort();
    const struct object_shape *shape = &object->shape;
    *row = alloc_zero(1, shape->row_size);
    *leaves = alloc_zero(shape->leaf_count, HASH_SIZE);
    for (size_t i = 0; i < shape->leaf_count; i++)
        hash_tree_leaf(*leaves + i * HASH_SIZE, *row, hash_tree_leaf_size(shape->row_size, i));
    for (size_t i = 0; i < FAKE_K + FAKE_M; i++)
        hash_tree_root(object->roots[i], *leaves, shape->row_size);
    do {
        randombytes_buf(object->roots[FAKE_K + FAKE_M - 1], HASH_SIZE);
        object_id(id, object);
    } while (id->bytes[0] != 0);
}

static void bury(struct peers *peers, const struct loot *item)
{
    struct object object;
    struct object_id id;
    uint8_t *row, *leaves;
    make_fake(item, &object, &id, &row, &leaves);
    size_t size = fragment_size(&object.shape);
    uint8_t *fragment = alloc_zero(1, size);
    memcpy(fragment + fragment_head_size(&object.shape), row, object.shape.row_size);
    Ecbak__PutFragment put = ECBAK__PUT_FRAGMENT__INIT;
    put.grant = wire_view(item->grant, item->grant_size);
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_FRAGMENT;
    request.put_fragment = &put;
    for (unsigned i = 0; i < FAKE_ROWS; i++) {
        fragment_write_head(fragment, &object, i, leaves);
        tell_all(peers, &request, fragment, size);
    }
    free(fragment);
    free(row);
    free(leaves);
}

/* A vault and a writer of its own. */
struct invented {
    uint8_t vault_secret[64], writer_secret[64];
    struct vault_id vault;
    struct writer_cert writer;
    uint8_t *cert;
    size_t cert_size;
};

static void invent_vault(struct invented *v)
{
    uint8_t vault_key[32];
    v->writer = (struct writer_cert){.rights = RIGHT_ADD | RIGHT_READ, .generation = 1};
    crypto_sign_keypair(vault_key, v->vault_secret);
    crypto_sign_keypair(v->writer.writer_key, v->writer_secret);
    randombytes_buf(v->writer.writer.bytes, sizeof(v->writer.writer.bytes));
    vault_id(&v->vault, vault_key);
    if (writer_cert_seal(&v->writer, v->vault_secret, &v->cert, &v->cert_size, NULL) != 0)
        abort();
}

/* Countersigned as it must be: it is on this member's account. */
static void flood_record(struct peers *peers)
{
    struct invented v;
    uint8_t *alone, *bytes;
    size_t alone_size, size;
    struct record_id hash;
    const struct credentials node = local_credentials(&peers->local);
    invent_vault(&v);
    struct record record = {.number = 1, .kind = RECORD_SNAPSHOT};
    record.cluster = peers->local.cluster;
    record.vault = v.vault;
    record.writer = v.writer.writer;
    randombytes_buf(record.attempt.bytes, sizeof(record.attempt.bytes));
    record.sealed_size = RECORD_SIZE;
    record.sealed = alloc_zero(1, RECORD_SIZE);
    randombytes_buf(record.sealed, RECORD_SIZE);
    if (record_seal(&record, &(struct signer){v.writer_secret, v.cert, v.cert_size}, &alone,
                    &alone_size, &hash, NULL) != 0 ||
        record_countersign(alone, alone_size, &node, &bytes, &size, NULL) != 0)
        abort();
    Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &put;
    if (tell_all(peers, &request, bytes, size) > 0)
        log_info("liar: records refused");
    free(record.sealed);
    free(alone);
    free(bytes);
    free(v.cert);
}

/* The ids of so many packs, drawn anew. */
static void draw_packs(ProtobufCBinaryData views[], uint8_t *ids, size_t count)
{
    randombytes_buf(ids, count * ID_SIZE);
    for (size_t i = 0; i < count; i++)
        views[i] = wire_view(ids + i * ID_SIZE, ID_SIZE);
}

/* Packs that others stored, pinned in the name of their vault by a writer that its key never certified. */
static void flood_claims(struct peers *peers)
{
    struct invented v;
    struct pack_id packs[LOOT_MAX];
    uint8_t *alone, *bytes;
    size_t alone_size, size;
    const struct credentials node = local_credentials(&peers->local);
    invent_vault(&v);
    struct pins pins = {.packs = packs, .pin = {.number = 1}};
    pins.cluster = peers->local.cluster;
    pins.pin.writer = v.writer.writer;
    randombytes_buf(pins.pin.attempt.bytes, sizeof(pins.pin.attempt.bytes));
    pthread_mutex_lock(&loot.lock);
    for (pins.count = 0; pins.count < loot.count; pins.count++)
        packs[pins.count] = loot.items[pins.count].pack;
    pins.pin.vault = loot.count > 0 ? loot.items[0].vault : v.vault;
    pthread_mutex_unlock(&loot.lock);
    if (pins.count > 0) {
        if (pins_seal(&pins, &(struct signer){v.writer_secret, v.cert, v.cert_size}, &alone,
                      &alone_size, NULL) != 0 ||
            pins_countersign(alone, alone_size, &node, &bytes, &size, NULL) != 0)
            abort();
        Ecbak__PinPacks body = ECBAK__PIN_PACKS__INIT;
        body.pins = wire_view(bytes, size);
        Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
        request.body_case = ECBAK__PEER_REQUEST__BODY_PIN;
        request.pin = &body;
        tell_all(peers, &request, NULL, 0);
        log_info("liar: claimed");
        free(alone);
        free(bytes);
    }
    free(v.cert);
}

/* Hundreds of questions under way at once, to everybody. */
static void load(struct peers *peers)
{
    static struct call *calls[LOADS];
    uint8_t *ids = alloc_zero(LOAD_PACKS, ID_SIZE);
    ProtobufCBinaryData *views = alloc_zero(LOAD_PACKS, sizeof(*views));
    draw_packs(views, ids, LOAD_PACKS);
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    locate.packs = views;
    locate.n_packs = LOAD_PACKS;
    locate.vault = views[0];
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    struct nodes nodes;
    nodes_init(&nodes, peers);
    for (size_t i = 0; i < LOADS; i++) {
        size_t node = i % nodes.count;
        calls[i] = NULL;
        if (!nodes.candidates[node].self &&
            ask_start(peers->transport, &nodes.candidates[node].node, &request, NULL,
                      SMALL_TIMEOUT_MS, &calls[i], NULL) != 0)
            calls[i] = NULL;
    }
    for (size_t i = 0; i < LOADS; i++) {
        if (calls[i] != NULL)
            ask_wait(&calls[i], 1, monotonic_ms() + SMALL_TIMEOUT_MS);
        call_destroy(&calls[i]);
    }
    log_info("liar: loaded");
    nodes_release(&nodes);
    free(views);
    free(ids);
}

static const struct {
    const char *name;
    void (*once)(struct peers *peers);
} floods[] = {{"records", flood_record}, {"claims", flood_claims}, {"load", load}};

static void *attack(void *argument)
{
    struct peers *peers = argument;
    while (!atomic_load(&peers->stop)) {
        bool busy = false;
        pthread_mutex_lock(&loot.lock);
        struct loot item = {.grant = NULL};
        if (loot.done < loot.count)
            item = loot.items[loot.done++];
        pthread_mutex_unlock(&loot.lock);
        if (item.grant != NULL && liar_does("bury")) {
            bury(peers, &item);
            log_info("liar: buried");
        }
        busy = item.grant != NULL;
        for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
            if (liar_does(floods[i].name)) {
                floods[i].once(peers);
                busy = true;
            }
        }
        if (!busy)
            wait_pause(20);
    }
    return NULL;
}

int __real_chores_new(struct chores **chores, const struct chores_options *options,
                      struct err *err);
int __wrap_chores_new(struct chores **chores, const struct chores_options *options,
                      struct err *err);
int __wrap_chores_new(struct chores **chores, const struct chores_options *options, struct err *err)
{
    pthread_t thread;
    assert(pthread_create(&thread, NULL, attack, options->peers) == 0);
    pthread_detach(thread);
    return __real_chores_new(chores, options, err);
}
