/* Encoding costs more than sealing, so it is done by the threads that send: those that read, compress and
 * seal go on meanwhile. */
#include "cli/packing/sender.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "cli/base/threads.h"
#include "coding/base/alloc.h"
#include "coding/fragment_bundle.h"
#include "node/common/clock.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

struct shape {
    uint32_t data, parity;
    int64_t asked_ms;
};

struct sender {
    struct sender_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sealed_pack waiting; /* handed over, not yet taken; bytes NULL: none */
    unsigned busy;              /* threads with a pack in flight */
    bool stop;
    struct shape shape; /* what packs are encoded with now */
    struct threads threads;
};

/* A pack whose one segment is one chunk that does not compress: packs are not made smaller. */
#define PACK_BYTES_LEAST (CHUNK_BYTES_MAX + CHUNK_BYTES_MAX / 16)

size_t sender_pack_bytes(uint32_t data, uint32_t parity)
{
    size_t size = PACK_BYTES;
    while (size >= PACK_BYTES_LEAST && fragment_bundle_size(size, data, parity) > BUNDLE_SIZE_MAX)
        size -= SEGMENT_BYTES / 4;
    return size >= PACK_BYTES_LEAST ? size : 0;
}

/* k + m for a pack that is encoded now. anew: what was asked for last did not do. */
static int choose_shape(struct sender *sender, struct client *client, bool anew,
                        struct shape *shape, struct err *err)
{
    int64_t now_ms = monotonic_ms();
    pthread_mutex_lock(&sender->lock);
    *shape = sender->shape;
    bool ask = !sender->options.shape_is_fixed &&
               (anew || shape->data == 0 || now_ms - shape->asked_ms >= SENDER_SHAPE_MS);
    if (ask)
        sender->shape.asked_ms = now_ms; /* one thread asks for all */
    pthread_mutex_unlock(&sender->lock);
    if (!ask)
        return 0;
    struct node_status status;
    if (client_status(client, &status, err) != 0)
        return -1;
    if (status.data == 0) /* a node that has just started may not have met the others yet */
        return anew || shape->data == 0 ? err_set(err, ERR_TOO_FEW, "%s", status.no_shape) : 0;
    *shape = (struct shape){status.data, status.parity, now_ms};
    pthread_mutex_lock(&sender->lock);
    sender->shape = *shape;
    pthread_mutex_unlock(&sender->lock);
    return 0;
}

static int sign_grant(const struct sender_options *options, const struct fragment_bundle *bundle,
                      uint8_t **bytes, size_t *size, struct err *err)
{
    const struct vault *vault = options->vault;
    const struct object *object = &bundle->object;
    struct grant grant = {.number = options->pin.number,
                          .pack_bytes = object->shape.pack_size,
                          .code = object->code,
                          .layout = object->layout,
                          .data = object->shape.k,
                          .parity = object->shape.m};
    grant.cluster = options->cluster;
    grant.vault = vault->keys->vault;
    grant.writer = vault->writer;
    grant.attempt = options->pin.attempt;
    grant.pack = object->pack_id;
    grant.object = bundle->object_id;
    grant.sponsor = options->node;
    return grant_seal(
        &grant, &(struct signer){vault->writer_secret, vault->writer_cert, vault->writer_cert_size},
        bytes, size, err);
}

/* One way of a pack through the node: its answer, whatever it is. */
static int put_once(struct sender *sender, struct client *client, const struct sealed_pack *sealed,
                    const struct shape *shape, struct client_answer *answer, struct err *err)
{
    struct fragment_bundle bundle;
    uint8_t *grant = NULL;
    size_t grant_size = 0;
    uint64_t call;
    if (fragment_bundle_encode(&bundle, sealed->bytes, sealed->size, shape->data, shape->parity,
                               err) != 0)
        return -1;
    int result = id_equal(&bundle.object.pack_id, &sealed->id)
                     ? sign_grant(&sender->options, &bundle, &grant, &grant_size, err)
                     : err_set(err, ERR_DAMAGED,
                               "a pack changed after it was sealed: suspect this machine's memory");
    struct pack_to_put put = {bundle.bytes, bundle.size, grant, grant_size};
    if (result == 0)
        result = client_put_pack_start(client, &call, &put, err);
    free(put.fragments);
    free(grant);
    return result == 0 ? client_next(client, answer, err) : -1;
}

/* When too few nodes took a fragment, there may be fewer than k + m were meant for: then it is tried
 * with what the node says now. */
static int put_pack(struct sender *sender, struct client *client, const struct sealed_pack *sealed,
                    struct client_answer *answer, struct err *err)
{
    struct shape shape, other;
    if (choose_shape(sender, client, false, &shape, err) != 0 ||
        put_once(sender, client, sealed, &shape, answer, err) != 0)
        return -1;
    if (answer->err.code != ERR_TOO_FEW || sender->options.shape_is_fixed)
        return 0;
    struct err ignored = ERR_INIT; /* what the node said of the pack says more */
    if (choose_shape(sender, client, true, &other, &ignored) != 0 ||
        (other.data == shape.data && other.parity == shape.parity))
        return 0;
    return put_once(sender, client, sealed, &other, answer, err);
}

static int send_pack(struct sender *sender, struct client *client, struct sealed_pack *sealed,
                     struct err *err)
{
    const struct sender_options *options = &sender->options;
    struct client_answer answer = {0};
    if (put_pack(sender, client, sealed, &answer, err) != 0)
        return err_context(err, "sending a pack");
    free(answer.pack);
    if (answer.err.code != ERR_NONE) {
        *err = answer.err;
        return err_context(err, "sending a pack");
    }
    atomic_fetch_add(&options->progress->bytes_sent, answer.held.sent_bytes);
    if (sealed->kind != PACK_INDEX && cache_add_pack(options->cache, &sealed->id, sealed->entries,
                                                     sealed->entry_count, false, NULL, err) != 0)
        return -1;
    options->stored(options->ctx, sealed);
    return 0;
}

static void *send_loop(void *argument)
{
    struct sender *sender = argument;
    struct client *client = NULL;
    struct err err = ERR_INIT;
    pthread_mutex_lock(&sender->lock);
    for (;;) {
        while (sender->waiting.bytes == NULL && !sender->stop)
            pthread_cond_wait(&sender->changed, &sender->lock);
        if (sender->waiting.bytes == NULL)
            break;
        struct sealed_pack sealed = sender->waiting;
        sender->waiting = (struct sealed_pack){0};
        sender->busy++;
        assert(sender->busy <= SENDER_THREADS);
        pthread_cond_broadcast(&sender->changed);
        pthread_mutex_unlock(&sender->lock);
        bool connected = client != NULL || client_open_patient(&client, sender->options.endpoint,
                                                               CLIENT_PATIENCE_MS, &err) == 0;
        if (!failure_met(sender->options.failure) &&
            (!connected || send_pack(sender, client, &sealed, &err) != 0))
            failure_set(sender->options.failure, &err);
        sealed_pack_release(&sealed);
        pthread_mutex_lock(&sender->lock);
        assert(sender->busy > 0);
        sender->busy--;
        pthread_cond_broadcast(&sender->changed);
    }
    pthread_mutex_unlock(&sender->lock);
    if (client != NULL)
        client_close(&client);
    return NULL;
}

int sender_new(struct sender **sender, const struct sender_options *options, struct err *err)
{
    struct sender *new = alloc_zero(1, sizeof(*new));
    new->options = *options;
    new->shape = (struct shape){options->data, options->parity, monotonic_ms()};
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->changed, NULL);
    if (rs_setup(err) != 0 ||
        threads_start(&new->threads, SENDER_THREADS, send_loop, new, err) != 0) {
        sender_destroy(&new);
        return -1;
    }
    *sender = new;
    return 0;
}

int sender_put(struct sender *sender, struct sealed_pack *sealed, struct err *err)
{
    pthread_mutex_lock(&sender->lock);
    while ((sender->waiting.bytes != NULL || sender->busy == sender->threads.count) &&
           !failure_met(sender->options.failure))
        pthread_cond_wait(&sender->changed, &sender->lock);
    if (failure_met(sender->options.failure)) {
        sealed_pack_release(sealed);
    } else {
        assert(sealed->bytes != NULL && sealed->size > 0);
        sender->waiting = *sealed;
        *sealed = (struct sealed_pack){0};
        pthread_cond_broadcast(&sender->changed);
    }
    pthread_mutex_unlock(&sender->lock);
    return failure_check(sender->options.failure, err);
}

int sender_wait(struct sender *sender, struct err *err)
{
    pthread_mutex_lock(&sender->lock);
    while (sender->waiting.bytes != NULL || sender->busy > 0)
        pthread_cond_wait(&sender->changed, &sender->lock);
    pthread_mutex_unlock(&sender->lock);
    return failure_check(sender->options.failure, err);
}

void sender_destroy(struct sender **sender)
{
    struct sender *old = *sender;
    *sender = NULL;
    if (old == NULL)
        return;
    pthread_mutex_lock(&old->lock);
    old->stop = true;
    pthread_cond_broadcast(&old->changed);
    pthread_mutex_unlock(&old->lock);
    threads_join(&old->threads);
    assert(old->busy == 0);
    sealed_pack_release(&old->waiting);
    pthread_cond_destroy(&old->changed);
    pthread_mutex_destroy(&old->lock);
    free(old);
}
