/* On the wire: [routing id, local to each ROUTER] envelope [body [payload]]. */
#include "node/net/link_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node/common/clock.h"

/* What a frame is on the wire: a ZMTP head, and within it a CURVE message: its name, a nonce, a box with
 * flags. */
static uint64_t size_on_wire(size_t size)
{
    size_t body = size + 8 + 8 + 16 + 1;
    return body + (body > UINT8_MAX ? 9 : 2);
}

/* Reads one frame into `frame`. 1 and *more, 0: none waits, -1: shut down. */
static int receive_frame(void *socket, zmq_msg_t *frame, bool *more, int flags)
{
    int size;
    do {
        size = zmq_msg_recv(frame, socket, flags);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EAGAIN ? 0 : -1;
    *more = zmq_msg_more(frame);
    return 1;
}

int wire_receive(void *socket, struct frames *frames)
{
    *frames = (struct frames){.fd = -1};
    zmq_msg_init(&frames->envelope);
    zmq_msg_init(&frames->body);
    zmq_msg_init(&frames->payload);

    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool more = false;
    int got = receive_frame(socket, &frame, &more, ZMQ_DONTWAIT);
    if (got == 1) {
        frames->route.size = zmq_msg_size(&frame);
        frames->whole = frames->route.size <= ROUTE_SIZE_MAX;
        if (frames->whole)
            memcpy(frames->route.bytes, zmq_msg_data(&frame), frames->route.size);
    }
    /* The rest of a message has arrived with its first frame: these receives do not wait. */
    zmq_msg_t *places[] = {&frames->envelope, &frames->body, &frames->payload};
    size_t count_read = 0;
    while (got == 1 && more) {
        zmq_msg_t *place = count_read < 3 ? places[count_read] : &frame;
        got = receive_frame(socket, place, &more, 0);
        count_read++;
        if (got == 1) {
            frames->fd = zmq_msg_get(place, ZMQ_SRCFD);
            frames->wire_bytes += size_on_wire(zmq_msg_size(place));
        }
    }
    zmq_msg_close(&frame);
    if (got != 1) {
        frames_release(frames);
        return got;
    }
    frames->has_body = count_read > 1;
    frames->has_payload = count_read > 2;
    frames->whole = frames->whole && count_read >= 1 && count_read <= 3;
    return 1;
}

void frames_release(struct frames *frames)
{
    zmq_msg_close(&frames->envelope);
    zmq_msg_close(&frames->body);
    zmq_msg_close(&frames->payload);
}

Ecbak__LinkEnvelope *wire_envelope(zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame);
    if (size > LINK_ENVELOPE_MAX)
        return NULL;
    return ecbak__link_envelope__unpack(NULL, size, zmq_msg_data(frame));
}

void wire_stamp(Ecbak__LinkEnvelope *envelope, uint64_t call, uint32_t ttl_ms)
{
    ecbak__link_envelope__init(envelope);
    envelope->call = call;
    envelope->ttl_ms = ttl_ms;
    envelope->sent_ms = ttl_ms == 0 ? 0 : (uint64_t)boottime_ms();
}

static int send_all(void *socket, zmq_msg_t *frames[], size_t frame_count)
{
    for (size_t i = 0; i < frame_count; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < frame_count ? ZMQ_SNDMORE : 0);
        int sent;
        do {
            sent = zmq_msg_send(frames[i], socket, flags);
        } while (sent < 0 && errno == EINTR);
        if (sent < 0)
            return -1; /* only the first frame can fail while the context lives */
    }
    return 0;
}

int wire_send(void *socket, const struct route *route, const Ecbak__LinkEnvelope *envelope,
              zmq_msg_t *body, zmq_msg_t *payload, struct err *err)
{
    zmq_msg_t first, second;
    size_t size = ecbak__link_envelope__get_packed_size(envelope);
    assert(size <= LINK_ENVELOPE_MAX && route->size <= sizeof(route->bytes));
    assert(payload == NULL || body != NULL); /* else it would be taken for the body */
    if (zmq_msg_init_size(&first, route->size) != 0)
        abort(); /* a few bytes: as everywhere, no memory for these is the end */
    if (zmq_msg_init_size(&second, size) != 0)
        abort();
    memcpy(zmq_msg_data(&first), route->bytes, route->size);
    ecbak__link_envelope__pack(envelope, zmq_msg_data(&second));

    zmq_msg_t *frames[4] = {&first, &second};
    size_t frame_count = 2;
    if (body != NULL)
        frames[frame_count++] = body;
    if (payload != NULL)
        frames[frame_count++] = payload;
    int result = send_all(socket, frames, frame_count);
    int error = errno;
    for (size_t i = 0; i < frame_count; i++)
        zmq_msg_close(frames[i]); /* what was sent is empty by now */
    if (result == 0)
        return 0;
    if (error == EAGAIN)
        return err_set(err, ERR_BUSY, "the connection's queue is full");
    return err_set(err, ERR_IO, "sending: %s", zmq_strerror(error));
}
