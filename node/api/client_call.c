/* ZeroMQ hides that a node went away: it reconnects in silence and what was under way is never
 * answered. So the monitor's "disconnected" ends every call at once, or, where the client is
 * patient, puts it off until somebody listens there again. */
#include "node/api/client_call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/common/clock.h"
#include "node/common/wire.h"

#define BUSY_FIRST_MS 20
#define BUSY_MOST_MS  500
#define SLICE_MS      1000
#define KNOCK_MS      250
#define WAIT_TEXT_MAX 512

static int call_send(struct client *client, struct client_call *call, struct err *err)
{
    int more = call->has_payload ? ZMQ_SNDMORE : 0;
    assert(call->number != 0 && !call->answered && call->header != NULL);
    call->again_ms = 0;
    if (zmq_send(client->socket, call->header, call->header_size, more) < 0)
        return err_set(err, ERR_IO, "sending to %s: %s", client->endpoint, zmq_strerror(errno));
    if (!call->has_payload)
        return 0;
    zmq_msg_t shared;
    zmq_msg_init(&shared);
    if (zmq_msg_copy(&shared, &call->payload) != 0 ||
        zmq_msg_send(&shared, client->socket, 0) < 0) {
        zmq_msg_close(&shared);
        return err_set(err, ERR_IO, "sending to %s: %s", client->endpoint, zmq_strerror(errno));
    }
    return 0;
}

/* Until the node is back: client_pump knocks, and sends it again. */
static void call_put_off(struct client *client, struct client_call *call)
{
    int64_t now = monotonic_ms();
    assert(!call->answered);
    if (client->gone_ms == 0) {
        client->gone_ms = now;
        client->told = false;
    }
    call->again_ms = now + KNOCK_MS;
}

static void payload_free(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

int client_call_start(struct client *client, Ecbak__ClientRequest *request, uint8_t **payload,
                      size_t payload_size, struct client_call **call, struct err *err)
{
    struct client_call *c = NULL;
    for (size_t i = 0; i < CLIENT_CALLS_MAX && c == NULL; i++) {
        if (client->calls[i].number == 0)
            c = &client->calls[i];
    }
    uint8_t *taken = NULL;
    if (payload != NULL) {
        taken = *payload;
        *payload = NULL;
    }
    if (c == NULL) {
        free(taken);
        return err_set(err, ERR_INVALID, "%d calls are under way already", CLIENT_CALLS_MAX);
    }
    struct err closed = ERR_INIT;
    bool away = client->lost && client_knock(client, &closed) != 0;
    if (away && client->patience_ms == 0) {
        free(taken);
        return err_copy(err, &closed);
    }
    *c = (struct client_call){.number = ++client->last_number,
                              .keeps =
                                  request->body_case != ECBAK__CLIENT_REQUEST__BODY_STATUS &&
                                  request->body_case != ECBAK__CLIENT_REQUEST__BODY_MEMBERS &&
                                  request->body_case != ECBAK__CLIENT_REQUEST__BODY_GET_PACK &&
                                  request->body_case != ECBAK__CLIENT_REQUEST__BODY_GET_RECORDS};
    request->call = c->number;
    c->header = wire_pack(request, &c->header_size);
    if (taken != NULL) {
        if (zmq_msg_init_data(&c->payload, taken, payload_size, payload_free, NULL) != 0)
            abort();
        c->has_payload = true;
    }
    *call = c;
    if (away) {
        call_put_off(client, c);
        return 0;
    }
    if (call_send(client, c, err) != 0) {
        client_call_end(c);
        return -1;
    }
    return 0;
}

static void call_forget_request(struct client_call *call)
{
    free(call->header);
    call->header = NULL;
    if (call->has_payload)
        zmq_msg_close(&call->payload);
    call->has_payload = false;
}

void client_call_end(struct client_call *call)
{
    if (call->number == 0)
        return;
    call_forget_request(call);
    wire_free(call->reply);
    if (call->has_reply_payload)
        zmq_msg_close(&call->reply_payload);
    *call = (struct client_call){.number = 0};
}

/* An answer that makes no sense, of a call that is not under way, or too large is dropped: the call
 * it may have meant runs into its time limit. */
static void client_take(struct client *client, zmq_msg_t *header, zmq_msg_t *payload)
{
    if (zmq_msg_size(header) > CLIENT_REPLY_HEADER_MAX)
        return;
    struct client_call *call = NULL;
    Ecbak__ClientReply *reply = wire_unpack(&ecbak__client_reply__descriptor, zmq_msg_data(header),
                                            zmq_msg_size(header), CLIENT_UNPACK_BUDGET, NULL);
    for (size_t i = 0; reply != NULL && reply->call != 0 && i < CLIENT_CALLS_MAX; i++) {
        if (client->calls[i].number == reply->call)
            call = &client->calls[i];
    }
    if (call == NULL || call->answered) {
        wire_free(reply);
        return;
    }
    client->lost = client->never_met = client->told = false;
    client->met = true;
    client->gone_ms = 0;
    if (reply->error == ERR_BUSY) {
        int wait_ms = BUSY_FIRST_MS << (call->tries < 5 ? call->tries : 5);
        call->tries++;
        call->again_ms = monotonic_ms() + (wait_ms < BUSY_MOST_MS ? wait_ms : BUSY_MOST_MS);
        wire_free(reply);
        return;
    }
    call->answered = true;
    call_forget_request(call);
    if (reply->error != ERR_NONE) {
        wire_error(&call->err, reply->error, reply->error_text);
        if (reply->body_case == ECBAK__CLIENT_REPLY__BODY_GET_PACK)
            call->corrupt = reply->get_pack->corrupt;
        wire_free(reply);
        return;
    }
    call->reply = reply;
    if (zmq_msg_size(payload) > 0) {
        zmq_msg_init(&call->reply_payload);
        zmq_msg_move(&call->reply_payload, payload);
        call->has_reply_payload = true;
    }
}

static bool client_receive(struct client *client)
{
    zmq_msg_t parts[2], extra;
    zmq_msg_init(&parts[0]);
    zmq_msg_init(&parts[1]);
    bool got = zmq_msg_recv(&parts[0], client->socket, ZMQ_DONTWAIT) >= 0;
    bool more = got && zmq_msg_more(&parts[0]);
    if (more && zmq_msg_recv(&parts[1], client->socket, ZMQ_DONTWAIT) >= 0)
        more = zmq_msg_more(&parts[1]);
    bool odd = more;
    while (more) {
        zmq_msg_init(&extra);
        more = zmq_msg_recv(&extra, client->socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&extra);
        zmq_msg_close(&extra);
    }
    if (got && !odd)
        client_take(client, &parts[0], &parts[1]);
    zmq_msg_close(&parts[0]);
    zmq_msg_close(&parts[1]);
    return got;
}

static void client_lost(struct client *client)
{
    client->lost = true;
    bool wait = client->patience_ms > 0 &&
                (client->gone_ms == 0 || monotonic_ms() - client->gone_ms < client->patience_ms);
    for (size_t i = 0; i < CLIENT_CALLS_MAX; i++) {
        struct client_call *call = &client->calls[i];
        if (call->number == 0 || call->answered)
            continue;
        if (wait) {
            call_put_off(client, call);
            continue;
        }
        call->answered = true;
        if (client->never_met)
            client_no_answer(client, &call->err);
        else if (!client->met)
            client_mute(client, &call->err);
        else
            err_set(&call->err, ERR_IO, "ecbakd at %s went away before it answered%s",
                    client->endpoint,
                    call->keeps
                        ? "; what it acknowledged before is safe, run the command again"
                        : ": run the command again once it is back (`systemctl status ecbakd`)");
    }
}

/* The monitor's next event: the connection stands, or is lost. */
static void client_event(struct client *client)
{
    uint16_t what = 0;
    zmq_msg_t event;
    bool more = true;
    for (bool first = true; more; first = false) {
        zmq_msg_init(&event);
        more = zmq_msg_recv(&event, client->monitor, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&event);
        if (first && zmq_msg_size(&event) >= sizeof(what))
            memcpy(&what, zmq_msg_data(&event), sizeof(what));
        zmq_msg_close(&event);
    }
    if (what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        client->met = true;
    else
        client_lost(client);
}

/* Sends again what is due, waits for something to happen (at most wait_ms), and takes it. */
static int client_pump(struct client *client, int64_t wait_ms, struct err *err)
{
    int64_t now = monotonic_ms();
    for (size_t i = 0; i < CLIENT_CALLS_MAX; i++) {
        struct client_call *call = &client->calls[i];
        if (call->number == 0 || call->answered || call->again_ms == 0)
            continue;
        if (call->again_ms <= now) {
            struct err closed = ERR_INIT;
            if (client->gone_ms > 0 && client_knock(client, &closed) != 0) {
                client_lost(client);
                wait_ms = wait_ms < KNOCK_MS ? wait_ms : KNOCK_MS;
            } else if (call_send(client, call, err) != 0) {
                return -1;
            }
        } else if (call->again_ms - now < wait_ms) {
            wait_ms = call->again_ms - now;
        }
    }
    zmq_pollitem_t items[] = {{client->socket, 0, ZMQ_POLLIN, 0},
                              {client->monitor, 0, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, (long)wait_ms) < 0 && errno != EINTR)
        return err_set(err, ERR_IO, "waiting for %s: %s", client->endpoint, zmq_strerror(errno));
    bool got = false;
    while (client_receive(client))
        got = true;
    if (!got && (items[1].revents & ZMQ_POLLIN) != 0)
        client_event(client);
    return 0;
}

static void (*_Atomic tell_waits)(const char *what);

void client_tell_waits(void (*tell)(const char *what))
{
    tell_waits = tell;
}

/* left_ms: of the time limit; < 0: there is none. */
static void client_tell(struct client *client, int64_t now, int64_t left_ms)
{
    char text[WAIT_TEXT_MAX], limit[64] = "";
    bool away = client->gone_ms > 0;
    void (*tell)(const char *what) = tell_waits;
    if (away && client->patience_ms < CLIENT_PATIENCE_ENDLESS &&
        (left_ms < 0 || client->gone_ms + client->patience_ms - now < left_ms))
        left_ms = client->gone_ms + client->patience_ms - now;
    if (left_ms > 0)
        snprintf(limit, sizeof(limit), ", for %lld s at most", (long long)(left_ms + 999) / 1000);
    snprintf(text, sizeof(text), "waiting for ecbakd at %s %s%s", client->endpoint,
             away ? "to come back" : "to answer", limit);
    client->told = true;
    if (tell != NULL)
        tell(text);
}

struct client_call *client_call_wait(struct client *client, struct client_call *call,
                                     struct err *err)
{
    int64_t start = monotonic_ms();
    assert(call == NULL || call->number != 0); /* else it would be waited for in vain */
    for (;;) {
        bool any = call != NULL;
        for (size_t i = 0; i < CLIENT_CALLS_MAX; i++) {
            struct client_call *c = &client->calls[i];
            bool wanted = c->number != 0 && (call == NULL ? c->started : c == call);
            if (wanted && c->answered)
                return c;
            any = any || wanted;
        }
        if (!any) {
            err_set(err, ERR_INVALID, "no call is under way");
            return NULL;
        }
        int64_t left = SLICE_MS, now = monotonic_ms();
        if (!client->told && now - start >= CLIENT_SILENCE_MS)
            client_tell(client, now,
                        client->timeout_ms > 0 ? start + client->timeout_ms - now : -1);
        if (client->timeout_ms > 0) {
            left = start + client->timeout_ms - monotonic_ms();
            if (left <= 0) {
                if (client->met)
                    client_mute(client, err);
                else
                    client_no_answer(client, err);
                err_context(err, "waited %d s", client->timeout_ms / 1000);
                return NULL;
            }
        }
        if (client_pump(client, left < SLICE_MS ? left : SLICE_MS, err) != 0)
            return NULL;
    }
}
