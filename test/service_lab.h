/* service_lab.h - whole nodes for tests: each a process of its own, so that it can be killed,
 * stopped in its tracks and started again like the real thing.
 *
 * The test program starts itself with "--node DIR"; main() hands that to lab_node_main().
 */
#ifndef ECBAK_TEST_SERVICE_LAB_H
#define ECBAK_TEST_SERVICE_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "coding/fragment_bundle.h"
#include "coding/pack_id.h"
#include "coding/rs.h"
#include "node/api/client.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/config/config.h"
#include "node/serve/service.h"
#include "node/store/store.h"
#include "node/trust/cert.h"
#include "node/trust/grant.h"
#include "node/trust/node_keys.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"
#include "test/free_port.h"
#include "test/remove_tree.h"

#define LAB_NODES_MAX 10
#define LAB_WAIT_MS   60000

struct lab_node {
    struct config config;
    struct node_keys *keys;
    struct cert cert;
    pid_t pid; /* 0: not running */
    struct client *client;
};

struct lab {
    char dir[64];
    uint8_t authority_secret[64], authority_public[32];
    struct cluster_id cluster;
    struct lab_node nodes[LAB_NODES_MAX];
    size_t count;
    /* a vault and its writer */
    struct vault_id vault;
    struct writer_id writer;
    uint8_t vault_secret[64], writer_secret[64];
    struct writer_cert writer_cert;
    uint8_t *writer_cert_bytes;
    size_t writer_cert_size;
    struct pin pin;
};

/* What a node needs to start, in DIR/start. */
struct lab_start {
    struct config config;
    struct cert cert;
    uint8_t authority_public[32];
};

#define lab_ok(call)                                                                               \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, err.text);                        \
    } while (0)

static inline int lab_open_store(struct store **store, const struct config *config,
                                 const struct node_keys *keys, const uint8_t authority_public[32],
                                 struct err *err)
{
    struct store_terms terms = {.node = keys->node,
                                .capacity_bytes = config->capacity_bytes,
                                .sponsor_percent = config->sponsor_share};
    memcpy(terms.authority_public, authority_public, sizeof(terms.authority_public));
    return store_open(store, config->data_dir, &terms, err);
}

/* The child: one node, until SIGTERM. */
static inline int lab_node_main(const char *dir)
{
    struct lab_start start;
    char path[256];
    struct err err = ERR_INIT;
    struct node_keys *keys = NULL;
    struct store *store = NULL;
    struct service *service = NULL;
    sigset_t term;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* no node outlives its test */
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    log_set_level(LOG_LEVEL_WARN);
    snprintf(path, sizeof(path), "%s/start", dir);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(&start, sizeof(start), 1, file) != 1 || sodium_init() < 0)
        return 1;
    fclose(file);
    snprintf(path, sizeof(path), "%s/log", dir);
    if (freopen(path, "a", stderr) == NULL)
        return 1;
    setvbuf(stderr, NULL, _IONBF, 0);
    if (rs_setup(&err) != 0 || node_keys_load(&keys, start.config.key_file, &err) != 0 ||
        lab_open_store(&store, &start.config, keys, start.authority_public, &err) != 0 ||
        service_new(&service, &start.config,
                    &(struct credentials){keys, &start.cert, start.authority_public}, store,
                    &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int got;
    sigwait(&term, &got);
    service_destroy(&service);
    store_close(&store);
    node_keys_destroy(&keys);
    return 0;
}

static inline void lab_start_node(struct lab *lab, size_t i)
{
    struct lab_node *node = &lab->nodes[i];
    char dir[128];
    snprintf(dir, sizeof(dir), "%s/%s", lab->dir, node->config.name);
    assert_int_equal(node->pid, 0);
    node->pid = fork();
    if (node->pid == 0) {
        execl("/proc/self/exe", "unit_service", "--node", dir, NULL);
        _exit(127);
    }
    assert_true(node->pid > 0);
}

static inline void lab_signal(struct lab *lab, size_t i, int signal_number)
{
    assert_true(lab->nodes[i].pid > 0);
    assert_int_equal(kill(lab->nodes[i].pid, signal_number), 0);
}

/* Ends a node with SIGKILL (or SIGTERM) and waits for it. */
static inline void lab_end_node(struct lab *lab, size_t i, int signal_number)
{
    struct lab_node *node = &lab->nodes[i];
    if (node->pid == 0)
        return;
    client_close(&node->client);
    lab_signal(lab, i, SIGCONT);
    lab_signal(lab, i, signal_number);
    int status;
    assert_int_equal(waitpid(node->pid, &status, 0), node->pid);
    node->pid = 0;
    if (signal_number == SIGTERM && status != 0)
        fail_msg("%s ended with %d", node->config.name, status);
}

static inline struct client *lab_client(struct lab *lab, size_t i)
{
    struct lab_node *node = &lab->nodes[i];
    int64_t deadline = monotonic_ms() + LAB_WAIT_MS;
    struct err err = ERR_INIT;
    while (node->client == NULL && monotonic_ms() < deadline) {
        if (client_open(&node->client, node->config.client_endpoint, &err) == 0)
            break;
        usleep(20000);
    }
    if (node->client == NULL)
        fail_msg("%s: %s (see %s)", node->config.name, err.text, lab->dir);
    client_set_timeout(node->client, LAB_WAIT_MS);
    return node->client;
}

static inline size_t lab_alive_at(struct lab *lab, size_t i)
{
    struct err err = ERR_INIT;
    struct member_list list;
    size_t alive = 0;
    lab_ok(client_members(lab_client(lab, i), &list, &err));
    for (size_t m = 0; m < list.count; m++)
        alive += strcmp(list.members[m].state, "alive") == 0;
    member_list_release(&list);
    return alive;
}

/* Until every running node sees exactly the running ones alive. */
static inline void lab_settle(struct lab *lab)
{
    int64_t deadline = monotonic_ms() + LAB_WAIT_MS;
    size_t running = 0;
    for (size_t i = 0; i < lab->count; i++)
        running += lab->nodes[i].pid != 0;
    for (size_t i = 0; i < lab->count; i++) {
        while (lab->nodes[i].pid != 0 && lab_alive_at(lab, i) != running) {
            if (monotonic_ms() > deadline)
                fail_msg("%s sees %zu of %zu alive", lab->nodes[i].config.name,
                         lab_alive_at(lab, i), running);
            usleep(50000);
        }
    }
}

static inline void lab_add_node(struct lab *lab, uint64_t capacity_bytes)
{
    struct err err = ERR_INIT;
    size_t i = lab->count++;
    struct lab_node *node = &lab->nodes[i];
    struct config *config = &node->config;
    char dir[100], path[160], top[64]; /* a copy: gcc fears that lab and its nodes overlap */
    *node = (struct lab_node){.pid = 0};
    memcpy(top, lab->dir, sizeof(top));
    config_defaults(config);
    snprintf(config->name, sizeof(config->name), "node-%zu", i + 1);
    snprintf(config->zone, sizeof(config->zone), "zone-%zu", i + 1);
    snprintf(dir, sizeof(dir), "%s/node-%zu", top, i + 1);
    assert_int_equal(mkdir(dir, 0700), 0);
    snprintf(config->data_dir, sizeof(config->data_dir), "%s/data", dir);
    snprintf(config->key_file, sizeof(config->key_file), "%s/node.key", dir);
    snprintf(config->client_endpoint, sizeof(config->client_endpoint), "ipc://%s/socket", dir);
    snprintf(config->listen_address, sizeof(config->listen_address), "127.0.0.1");
    snprintf(config->advertise_address, sizeof(config->advertise_address), "127.0.0.1");
    snprintf(config->profile, sizeof(config->profile), "local");
    config->member_port = free_port();
    config->bulk_port = free_port();
    config->capacity_bytes = capacity_bytes;
    if (i > 0) {
        snprintf(config->seeds[0].address, sizeof(config->seeds[0].address), "127.0.0.1:%u",
                 lab->nodes[0].config.member_port);
        memcpy(config->seeds[0].curve_public, lab->nodes[0].keys->curve_public, 32);
        config->seed_count = 1;
    }
    node->keys = node_keys_new();
    node->cert.node = node->keys->node;
    memcpy(node->cert.curve, node->keys->curve_public, 32);
    node->cert.serial = i + 1;
    node->cert.not_before_s = wall_s() - 60;
    node->cert.not_after_s = wall_s() + 3600;
    snprintf(node->cert.name, sizeof(node->cert.name), "node-%zu", i + 1);
    snprintf(node->cert.zone, sizeof(node->cert.zone), "zone-%zu", i + 1);
    lab_ok(cert_sign(&node->cert, lab->authority_secret, &err));
    lab_ok(node_keys_save(node->keys, config->key_file, &err));
    lab_ok(store_create(config->data_dir, &node->keys->node, &err));
    struct lab_start start = {.config = *config, .cert = node->cert};
    memcpy(start.authority_public, lab->authority_public, 32);
    snprintf(path, sizeof(path), "%s/start", dir);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&start, sizeof(start), 1, file), 1);
    fclose(file);
}

static inline void lab_vault(struct lab *lab, uint32_t rights)
{
    struct err err = ERR_INIT;
    struct writer_cert *w = &lab->writer_cert;
    crypto_sign_keypair(w->vault_key, lab->vault_secret);
    crypto_sign_keypair(w->writer_key, lab->writer_secret);
    randombytes_buf(w->writer.bytes, sizeof(w->writer));
    vault_id(&w->vault, w->vault_key);
    w->rights = rights;
    w->generation = 1;
    lab->vault = w->vault;
    lab->writer = w->writer;
    free(lab->writer_cert_bytes);
    lab_ok(writer_cert_seal(w, lab->vault_secret, &lab->writer_cert_bytes, &lab->writer_cert_size,
                            &err));
    lab->pin.vault = lab->vault;
    lab->pin.writer = lab->writer;
    lab->pin.number = 1;
    randombytes_buf(lab->pin.attempt.bytes, sizeof(lab->pin.attempt));
}

static inline void lab_init(struct lab *lab)
{
    struct err err = ERR_INIT;
    *lab = (struct lab){.count = 0};
    lab_ok(rs_setup(&err)); /* packs are encoded here, as a command does */
    snprintf(lab->dir, sizeof(lab->dir), "/tmp/ecbak-service-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    crypto_sign_keypair(lab->authority_public, lab->authority_secret);
    cluster_id(&lab->cluster, lab->authority_public);
    lab_vault(lab, RIGHT_ADD | RIGHT_READ);
}

static inline void lab_release(struct lab *lab)
{
    for (size_t i = 0; i < lab->count; i++) {
        lab_end_node(lab, i, SIGTERM);
        node_keys_destroy(&lab->nodes[i].keys);
    }
    free(lab->writer_cert_bytes);
    remove_tree(lab->dir);
}

/* The writer's part of a grant for an object, to be stored through this node. */
static inline void lab_grant_writers(const struct lab *lab, const struct object *object,
                                     size_t sponsor, uint8_t **grant, size_t *grant_size)
{
    struct err err = ERR_INIT;
    struct grant g = {.number = lab->pin.number,
                      .pack_bytes = object->shape.pack_size,
                      .code = object->code,
                      .layout = object->layout,
                      .data = object->shape.k,
                      .parity = object->shape.m};
    g.cluster = lab->cluster;
    g.vault = lab->vault;
    g.writer = lab->writer;
    g.pack = object->pack_id;
    object_id(&g.object, object);
    g.sponsor = lab->nodes[sponsor].keys->node;
    lab_ok(grant_seal(
        &g, &(struct signer){lab->writer_secret, lab->writer_cert_bytes, lab->writer_cert_size},
        grant, grant_size, &err));
}

/* The whole. */
static inline void lab_grant(const struct lab *lab, const struct object *object, size_t sponsor,
                             uint8_t **grant, size_t *grant_size)
{
    struct err err = ERR_INIT;
    const struct lab_node *node = &lab->nodes[sponsor];
    uint8_t *writers;
    size_t size;
    lab_grant_writers(lab, object, sponsor, &writers, &size);
    lab_ok(grant_countersign(writers, size,
                             &(struct credentials){node->keys, &node->cert, lab->authority_public},
                             grant, grant_size, &err));
    free(writers);
}

struct lab_pack {
    struct pack_id id;
    uint8_t *bytes;
    size_t size;
};

static inline struct lab_pack lab_pack(size_t size)
{
    struct lab_pack pack = {.size = size, .bytes = malloc(size)};
    assert_non_null(pack.bytes);
    randombytes_buf(pack.bytes, size);
    pack_id(&pack.id, pack.bytes, size);
    return pack;
}

static inline struct signer lab_signer(const struct lab *lab)
{
    return (struct signer){lab->writer_secret, lab->writer_cert_bytes, lab->writer_cert_size};
}

static inline int lab_pin(struct lab *lab, size_t node, const struct pack_id *packs, size_t count,
                          bool repair, struct redundancy *held, struct err *err)
{
    const struct signer signer = lab_signer(lab);
    const struct pin_as as = {&lab->cluster, &lab->pin, &signer};
    return client_pin_packs(lab_client(lab, node), &as, packs, count, repair, NULL, held, err);
}

/* A record of the lab's writer as a command gives it to its node; malloc'd. The one before it is some
 * other. */
static inline void lab_record(const struct lab *lab, uint64_t number, uint32_t kind,
                              uint8_t **bytes, size_t *size, struct record_id *hash)
{
    struct err err = ERR_INIT;
    const struct signer signer = lab_signer(lab);
    struct record record = {.number = number, .kind = kind};
    record.cluster = lab->cluster;
    record.vault = lab->vault;
    record.writer = lab->writer;
    memset(record.attempt.bytes, (int)number, ATTEMPT_SIZE);
    if (number > 1) {
        memset(record.previous.bytes, (int)number, ID_SIZE);
        record.previous_number = number - 1;
    }
    record.sealed = (uint8_t *)"sealed";
    record.sealed_size = 6;
    lab_ok(record_seal(&record, &signer, bytes, size, hash, &err));
}

/* Stores through a node, as the command does; the answer, whatever it is. data 0: what fits the
 * cluster. */
static inline struct client_answer lab_put(struct lab *lab, size_t node,
                                           const struct lab_pack *pack, uint32_t data,
                                           uint32_t parity)
{
    struct err err = ERR_INIT;
    struct client_answer answer = {.call = 0};
    struct node_status status;
    struct fragment_bundle bundle;
    uint64_t call;
    uint8_t *grant;
    size_t grant_size;
    if (data == 0) {
        lab_ok(client_status(lab_client(lab, node), &status, &err));
        data = status.data;
        parity = status.parity;
        if (data == 0) {
            err_set(&answer.err, ERR_TOO_FEW, "%s", status.no_shape);
            return answer;
        }
    }
    lab_ok(fragment_bundle_encode(&bundle, pack->bytes, pack->size, data, parity, &err));
    lab_grant_writers(lab, &bundle.object, node, &grant, &grant_size);
    struct pack_to_put put = {bundle.bytes, bundle.size, grant, grant_size};
    lab_ok(client_put_pack_start(lab_client(lab, node), &call, &put, &err));
    lab_ok(client_next(lab_client(lab, node), &answer, &err));
    assert_true(answer.call == call);
    free(grant);
    return answer;
}

static inline struct client_answer lab_get(struct lab *lab, size_t node, const struct pack_id *pack)
{
    struct err err = ERR_INIT;
    struct client_answer answer;
    uint64_t call;
    lab_ok(client_get_pack_start(lab_client(lab, node), &call, &lab->vault, pack, &err));
    lab_ok(client_next(lab_client(lab, node), &answer, &err));
    assert_true(answer.call == call);
    return answer;
}

#endif
