/* The ZAP protocol (RFC 27): a REP socket at a fixed inproc name gets {version, request, domain,
 * address, routing id, mechanism, credentials} and answers {version, request, status, text, user
 * id, metadata}. The thread ends when its context is shut down. */
#include "node/door/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/common/clock.h"
#include "node/common/endpoint.h"

#define ZAP_ENDPOINT   "inproc://zeromq.zap.01"
#define ZAP_FRAMES     7
#define ZAP_FRAME_SIZE 256

struct denied {
    uint8_t key[32];
    int64_t until_ms;
};

struct zap {
    void *socket;
    pthread_t thread;
    pthread_mutex_t lock;
    struct denied denied[ZAP_DENIED_MAX];
    size_t denied_next; /* overwritten next */
    uint64_t denied_count;
};

struct zap_frame {
    uint8_t bytes[ZAP_FRAME_SIZE];
    size_t size;
};

static bool frame_is(const struct zap_frame *frame, const char *text)
{
    return frame->size == strlen(text) && memcmp(frame->bytes, text, frame->size) == 0;
}

/* How many frames there were (those beyond `max` are read and dropped), or -1: shut down. */
static int receive(void *socket, struct zap_frame *frames, size_t max)
{
    size_t count = 0;
    int more = 1;
    size_t more_size = sizeof(more);
    while (more) {
        struct zap_frame spare;
        struct zap_frame *frame = count < max ? &frames[count] : &spare;
        int size = zmq_recv(socket, frame->bytes, sizeof(frame->bytes), 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -1;
        frame->size = (size_t)size; /* as it was sent: more than fits means that it was cut */
        count++;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size) != 0)
            return -1;
    }
    return (int)count;
}

static bool is_denied(struct zap *zap, const uint8_t key[32])
{
    int64_t now_ms = monotonic_ms();
    bool found = false;
    pthread_mutex_lock(&zap->lock);
    for (size_t i = 0; i < ZAP_DENIED_MAX; i++)
        if (zap->denied[i].until_ms > now_ms && memcmp(zap->denied[i].key, key, 32) == 0)
            found = true;
    if (found)
        zap->denied_count++;
    pthread_mutex_unlock(&zap->lock);
    return found;
}

static void *handle(void *argument)
{
    struct zap *zap = argument;
    struct zap_frame frames[ZAP_FRAMES];
    for (;;) {
        int count = receive(zap->socket, frames, ZAP_FRAMES);
        if (count < 0)
            break;
        char user_id[ZAP_USER_ID_SIZE + 1] = "";
        bool whole = count == ZAP_FRAMES && frame_is(&frames[0], "1.0") &&
                     frames[1].size <= ZAP_FRAME_SIZE && frame_is(&frames[5], "CURVE") &&
                     frames[6].size == 32;
        bool allowed = whole && !is_denied(zap, frames[6].bytes);
        if (allowed)
            hex_encode(user_id, frames[6].bytes, 32);
        size_t request_size = count > 1 && frames[1].size <= ZAP_FRAME_SIZE ? frames[1].size : 0;
        if (zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE) < 0 ||
            zmq_send(zap->socket, frames[1].bytes, request_size, ZMQ_SNDMORE) < 0 ||
            zmq_send(zap->socket, allowed ? "200" : "400", 3, ZMQ_SNDMORE) < 0 ||
            zmq_send(zap->socket, "", 0, ZMQ_SNDMORE) < 0 ||
            zmq_send(zap->socket, user_id, strlen(user_id), ZMQ_SNDMORE) < 0 ||
            zmq_send(zap->socket, "", 0, 0) < 0)
            break;
    }
    zmq_close(zap->socket);
    return NULL;
}

int zap_start(struct zap **zap, void *context, struct err *err)
{
    struct zap *z = alloc_zero(1, sizeof(*z));
    int none = 0;
    z->socket = zmq_socket(context, ZMQ_REP);
    if (z->socket == NULL || zmq_setsockopt(z->socket, ZMQ_LINGER, &none, sizeof(none)) != 0 ||
        endpoint_bind_here(z->socket, ZAP_ENDPOINT) != 0) {
        err_set(err, ERR_IO, "starting the ZAP handler: %s", zmq_strerror(zmq_errno()));
        goto fail;
    }
    pthread_mutex_init(&z->lock, NULL);
    int error = pthread_create(&z->thread, NULL, handle, z);
    if (error != 0) {
        errno = error;
        err_errno(err, "starting the ZAP handler's thread");
        pthread_mutex_destroy(&z->lock);
        goto fail;
    }
    *zap = z;
    return 0;

fail:
    if (z->socket != NULL)
        zmq_close(z->socket);
    free(z);
    return -1;
}

void zap_stop(struct zap **zap)
{
    if (*zap == NULL)
        return;
    pthread_join((*zap)->thread, NULL);
    pthread_mutex_destroy(&(*zap)->lock);
    free(*zap);
    *zap = NULL;
}

void zap_deny(struct zap *zap, const uint8_t curve_public[32], int64_t until_ms)
{
    if (zap == NULL)
        return;
    pthread_mutex_lock(&zap->lock);
    struct denied *slot = NULL;
    for (size_t i = 0; i < ZAP_DENIED_MAX && slot == NULL; i++)
        if (memcmp(zap->denied[i].key, curve_public, 32) == 0)
            slot = &zap->denied[i];
    if (slot == NULL) {
        slot = &zap->denied[zap->denied_next];
        zap->denied_next = (zap->denied_next + 1) % ZAP_DENIED_MAX;
    }
    memcpy(slot->key, curve_public, 32);
    slot->until_ms = until_ms;
    pthread_mutex_unlock(&zap->lock);
}

uint64_t zap_denied_count(struct zap *zap)
{
    if (zap == NULL)
        return 0;
    pthread_mutex_lock(&zap->lock);
    uint64_t count = zap->denied_count;
    pthread_mutex_unlock(&zap->lock);
    return count;
}
