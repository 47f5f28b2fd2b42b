#include "cli/packing/sender.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "cli/base/threads.h"
#include "coding/base/alloc.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

struct sender {
    struct sender_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sealed_pack waiting; /* handed over, not yet taken; bytes NULL: none */
    unsigned busy;              /* threads with a pack in flight */
    bool stop;
    struct threads threads;
};

static int sign_grant(const struct sender_options *options, const struct sealed_pack *sealed,
                      uint8_t **bytes, size_t *size, struct err *err)
{
    const struct vault *vault = options->vault;
    struct grant grant = {.pack_bytes = sealed->size};
    grant.cluster = options->cluster;
    grant.vault = vault->keys->vault;
    grant.writer = vault->writer;
    grant.pack = sealed->id;
    grant.sponsor = options->node;
    return grant_seal(
        &grant, &(struct signer){vault->writer_secret, vault->writer_cert, vault->writer_cert_size},
        bytes, size, err);
}

static int send_pack(struct sender *sender, struct client *client, struct sealed_pack *sealed,
                     struct err *err)
{
    const struct sender_options *options = &sender->options;
    uint8_t *grant = NULL;
    size_t grant_size = 0;
    if (sign_grant(options, sealed, &grant, &grant_size, err) != 0)
        return -1;
    uint64_t call;
    int result = client_put_pack_start(
        client, &call, &sealed->bytes, sealed->size,
        &(struct put_terms){grant, grant_size, &options->pin, options->data, options->parity}, err);
    free(grant);
    struct client_answer answer = {0};
    if (result != 0 || client_next(client, &answer, err) != 0)
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
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->changed, NULL);
    if (threads_start(&new->threads, SENDER_THREADS, send_loop, new, err) != 0) {
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
