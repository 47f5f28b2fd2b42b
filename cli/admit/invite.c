/* A ROUTER without a ZAP handler, on purpose: libzmq then lets every CURVE key in, and the machine
 * that joins has none that anybody knows yet. What it must know to get an answer is the server's
 * key and the token, both from the ticket. It is behind a door (invite_door.h), on a local socket that
 * takes connections of this user's alone.
 *
 * The same machine may ask again, when the answer was lost on its way: it gets the same one. */
#include "cli/admit/invite.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "cli/admit/invite_door.h"
#include "cli/admit/join.pb-c.h"
#include "cli/base/text.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/trust/node_keys.h"

#define MESSAGE_MAX    4096
#define MESSAGE_BUDGET 16384
#define ROUTE_MAX      64
#define BATCH          64 /* messages answered before the time and the signals are looked at */

struct invitation {
    struct invite_options options;
    struct ticket ticket;
    struct issuer_terms terms;
    void *context, *socket;
    struct door *door;
    char bound[DOOR_BOUND_MAX]; /* where it listens */
    bool used, done;
    struct cert admitted, replaced;
    char certificate[CERT_ARMOR_MAX];
    int64_t used_s;
};

/* ---- where it is reached ------------------------------------------------------------------- */

static void add_address(struct ticket *ticket, const char *host, const char *port)
{
    char *to = ticket->addresses[ticket->address_count];
    if (ticket->address_count < TICKET_ADDRESSES_MAX &&
        snprintf(to, TICKET_ADDRESS_SIZE, "%s:%s", host, port) < TICKET_ADDRESS_SIZE)
        ticket->address_count++;
}

/* This machine's own addresses, the loopback left out; IPv4 first, since more can use it. */
static void add_own_addresses(struct ticket *ticket, const char *port)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0)
        return;
    for (int family = 0; family < 2; family++)
        for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
            char text[INET6_ADDRSTRLEN], host[INET6_ADDRSTRLEN + 2];
            if (at->ifa_addr == NULL || (at->ifa_flags & IFF_UP) == 0 ||
                (at->ifa_flags & IFF_LOOPBACK) != 0)
                continue;
            if (family == 0 && at->ifa_addr->sa_family == AF_INET) {
                const struct sockaddr_in *v4 = (const void *)at->ifa_addr;
                if (inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)) != NULL)
                    add_address(ticket, text, port);
            } else if (family == 1 && at->ifa_addr->sa_family == AF_INET6) {
                const struct sockaddr_in6 *v6 = (const void *)at->ifa_addr;
                if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) ||
                    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)) == NULL)
                    continue;
                snprintf(host, sizeof(host), "[%s]", text);
                add_address(ticket, host, port);
            }
        }
    freeifaddrs(list);
}

static int fill_addresses(struct invitation *v, struct err *err)
{
    const char *port = strrchr(v->bound, ':') + 1;
    const char *host = v->bound;
    bool anywhere = strncmp(host, "0.0.0.0:", 8) == 0 || strncmp(host, "[::]:", 5) == 0;
    for (size_t i = 0; i < v->options.advertise_count; i++) {
        const char *given = v->options.advertise[i];
        const char *colon = strrchr(given, ':'), *bracket = strrchr(given, ']');
        bool has_port =
            colon != NULL && (bracket == NULL ? strchr(given, ':') == colon : colon > bracket);
        if (strlen(given) + 8 > TICKET_ADDRESS_SIZE ||
            v->ticket.address_count == TICKET_ADDRESSES_MAX)
            return err_set(err, ERR_USAGE,
                           "--advertise takes at most %d addresses of %d characters",
                           TICKET_ADDRESSES_MAX, TICKET_ADDRESS_SIZE - 8);
        if (has_port)
            snprintf(v->ticket.addresses[v->ticket.address_count++], TICKET_ADDRESS_SIZE, "%s",
                     given);
        else
            add_address(&v->ticket, given, port);
    }
    if (v->ticket.address_count == 0 && anywhere)
        add_own_addresses(&v->ticket, port);
    else if (v->ticket.address_count == 0)
        snprintf(v->ticket.addresses[v->ticket.address_count++], TICKET_ADDRESS_SIZE, "%.63s",
                 host);
    return v->ticket.address_count > 0
               ? 0
               : err_set(err, ERR_NOT_FOUND,
                         "this machine has no address that another could reach: say --advertise");
}

/* ---- opening ------------------------------------------------------------------------------- */

/* libzmq's threads take no signals once they run, and until then would: one that comes in that
 * moment must find this thread, which knows what to do. */
static void open_socket(struct invitation *v)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    v->context = zmq_ctx_new();
    v->socket = v->context != NULL ? zmq_socket(v->context, ZMQ_ROUTER) : NULL;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int listen_at(struct invitation *v, const char *where, struct err *err)
{
    char endpoint[80], inside[64], name[33], secret_z85[41];
    uint8_t secret[32], random[16];
    const uid_t user = geteuid();
    const int options[][2] = {{ZMQ_LINGER, 1000},
                              {ZMQ_RCVHWM, 64},
                              {ZMQ_SNDHWM, 64},
                              {ZMQ_CURVE_SERVER, 1},
                              {ZMQ_BACKLOG, DOOR_GUESTS_MAX}};
    int64_t message_max = MESSAGE_MAX;
    char public_z85[41];
    if (zmq_curve_keypair(public_z85, secret_z85) != 0 ||
        zmq_z85_decode(v->ticket.curve, public_z85) == NULL ||
        zmq_z85_decode(secret, secret_z85) == NULL)
        return err_set(err, ERR_IO, "making a key: %s", zmq_strerror(zmq_errno()));
    open_socket(v);
    bool good = v->socket != NULL &&
                zmq_setsockopt(v->socket, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) == 0;
    for (size_t i = 0; good && i < sizeof(options) / sizeof(options[0]); i++)
        good = zmq_setsockopt(v->socket, options[i][0], &options[i][1], sizeof(int)) == 0;
    good = good && zmq_setsockopt(v->socket, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)) == 0;
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(secret_z85, sizeof(secret_z85));
    good = good && zmq_setsockopt(v->socket, ZMQ_IPC_FILTER_UID, &user, sizeof(user)) == 0;
    randombytes_buf(random, sizeof(random));
    snprintf(inside, sizeof(inside), "ecbak-invite-%s", hex_encode(name, random, sizeof(random)));
    snprintf(endpoint, sizeof(endpoint), "ipc://@%s", inside);
    if (!good || zmq_bind(v->socket, endpoint) != 0)
        return err_set(err, ERR_IO, "listening: %s", zmq_strerror(zmq_errno()));
    return door_open(&v->door, where, inside, v->bound, err);
}

int invite_open(struct invitation **invitation, const struct invite_options *options,
                struct err *err)
{
    struct invitation *v = alloc_zero(1, sizeof(*v));
    struct issuer *issuer = NULL;
    v->options = *options;
    v->terms = options->terms;
    *invitation = v;
    if (options->seconds < 1 || options->seconds > TICKET_SECONDS_MAX) {
        err_set(err, ERR_USAGE, "--expires takes at most %d days", TICKET_SECONDS_MAX / 86400);
        goto fail;
    }
    if ((v->terms.name != NULL && !cert_name_valid(v->terms.name)) ||
        (v->terms.zone != NULL && !cert_name_valid(v->terms.zone))) {
        err_set(err, ERR_USAGE, "a name or a zone is 1 to %d of A-Z a-z 0-9 . _ -", CERT_NAME_MAX);
        goto fail;
    }
    if (issuer_open(&issuer, options->dir, err) != 0) /* now, not when somebody waits for it */
        goto fail;
    memcpy(v->ticket.authority, issuer_public(issuer), sizeof(v->ticket.authority));
    issuer_close(&issuer);
    randombytes_buf(v->ticket.token, sizeof(v->ticket.token));
    v->ticket.made_s = wall_s();
    v->ticket.expires_s = v->ticket.made_s + options->seconds;
    snprintf(v->ticket.name, sizeof(v->ticket.name), "%s",
             v->terms.name != NULL ? v->terms.name : "");
    snprintf(v->ticket.zone, sizeof(v->ticket.zone), "%s",
             v->terms.zone != NULL ? v->terms.zone : "");
    if (listen_at(v, options->listen, err) == 0 && fill_addresses(v, err) == 0)
        return 0;
fail:
    invite_close(invitation);
    return -1;
}

void invite_close(struct invitation **invitation)
{
    struct invitation *v = *invitation;
    *invitation = NULL;
    if (v == NULL)
        return;
    if (v->socket != NULL)
        zmq_close(v->socket);
    door_close(&v->door);
    if (v->context != NULL)
        zmq_ctx_term(v->context);
    sodium_memzero(&v->ticket, sizeof(v->ticket));
    free(v);
}

const struct ticket *invite_ticket(const struct invitation *invitation)
{
    return &invitation->ticket;
}

const struct cert *invite_admitted(const struct invitation *invitation)
{
    return &invitation->admitted;
}

const struct cert *invite_replaced(const struct invitation *invitation)
{
    return &invitation->replaced;
}

/* ---- answering ----------------------------------------------------------------------------- */

/* Signs, and writes down that the ticket is used; only then may it be answered. */
static int admit(struct invitation *v, const char *request, struct err *err)
{
    struct issuer *issuer = NULL;
    struct cert admitted;
    if (issuer_open(&issuer, v->options.dir, err) != 0)
        return -1;
    int result = issuer_sign(issuer, request, &v->terms, &admitted, &v->replaced, err);
    if (result == 0)
        result = cert_armor(v->certificate, &admitted, err);
    if (result == 0)
        result = issuer_note_ticket(issuer, &admitted, err);
    issuer_close(&issuer);
    if (result != 0)
        return -1;
    v->admitted = admitted;
    v->used_s = wall_s();
    v->used = true;
    return 0;
}

static int used_already(const struct invitation *v, struct err *err)
{
    char at[TEXT_SHORT_MAX];
    return err_set(err, ERR_KEY, "this ticket was used by %s at %s: ask for a new one",
                   v->admitted.name, text_time(at, v->used_s));
}

static int answer(struct invitation *v, const Ecbak__JoinRequest *request, struct err *err)
{
    struct cert asked;
    if (request->version != 1)
        return err_set(err, ERR_VERSION,
                       "the other machine's ecbak speaks version %u of joining, this one 1",
                       request->version);
    if (request->token.len != TICKET_TOKEN_SIZE ||
        sodium_memcmp(request->token.data, v->ticket.token, TICKET_TOKEN_SIZE) != 0)
        return err_set(err, ERR_KEY, "this is not the ticket of this invitation");
    if (cert_request_read(&asked, request->request, err) != 0)
        return -1;
    bool same_machine = v->used && id_equal(&asked.node, &v->admitted.node) &&
                        memcmp(asked.curve, v->admitted.curve, sizeof(asked.curve)) == 0;
    if (v->used && !same_machine)
        return used_already(v, err);
    if (same_machine) {
        v->done |= request->done;
        return 0;
    }
    if (wall_s() > v->ticket.expires_s)
        return err_set(err, ERR_KEY, "this ticket has expired: ask for a new one");
    return admit(v, request->request, err);
}

static void send_reply(struct invitation *v, const uint8_t *route, size_t route_size,
                       const struct err *err)
{
    Ecbak__JoinReply reply = ECBAK__JOIN_REPLY__INIT;
    Ecbak__JoinSeed seeds[INVITE_SEEDS_MAX];
    Ecbak__JoinSeed *list[INVITE_SEEDS_MAX];
    if (err->code != ERR_NONE) {
        reply.error = err->code;
        reply.error_text = (char *)err->text;
    } else {
        reply.certificate = v->certificate;
        for (size_t i = 0; i < v->options.seed_count && i < INVITE_SEEDS_MAX; i++) {
            ecbak__join_seed__init(&seeds[i]);
            seeds[i].address = (char *)v->options.seeds[i].address;
            seeds[i].key = wire_view(v->options.seeds[i].curve, 32);
            list[reply.n_seeds++] = &seeds[i];
        }
        reply.seeds = list;
    }
    size_t size;
    uint8_t *bytes = wire_pack(&reply, &size);
    /* To one that is gone already it cannot be sent; it will ask again. */
    if (zmq_send(v->socket, route, route_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        (void)!zmq_send(v->socket, bytes, size, ZMQ_DONTWAIT);
    free(bytes);
}

/* Route and one frame; what does not look so is read and dropped. false: nothing waits. */
static bool take_message(struct invitation *v)
{
    uint8_t route[ROUTE_MAX], body[MESSAGE_MAX], spare[1];
    int route_size = zmq_recv(v->socket, route, sizeof(route), ZMQ_DONTWAIT);
    if (route_size < 0)
        return false;
    int more = 0, frames = 1, size = 0;
    size_t option = sizeof(more);
    while (zmq_getsockopt(v->socket, ZMQ_RCVMORE, &more, &option) == 0 && more) {
        int got = frames++ == 1 ? (size = zmq_recv(v->socket, body, sizeof(body), 0))
                                : zmq_recv(v->socket, spare, sizeof(spare), 0);
        if (got < 0)
            return true;
    }
    if (frames != 2 || size > MESSAGE_MAX || route_size > ROUTE_MAX)
        return true;
    struct err err = ERR_INIT;
    Ecbak__JoinRequest *request =
        wire_unpack(&ecbak__join_request__descriptor, body, (size_t)size, MESSAGE_BUDGET, &err);
    if (request == NULL)
        return true;
    if (answer(v, request, &err) == 0)
        err.code = ERR_NONE;
    sodium_memzero(body, sizeof(body));
    wire_free(request);
    send_reply(v, route, (size_t)route_size, &err);
    return true;
}

enum invite_state invite_turn(struct invitation *invitation, int stop_fd, int wait_ms)
{
    struct invitation *v = invitation;
    zmq_pollitem_t items[DOOR_ITEMS_MAX + 2];
    int count = door_items(v->door, items);
    items[count++] = (zmq_pollitem_t){.socket = v->socket, .events = ZMQ_POLLIN};
    if (stop_fd >= 0)
        items[count++] = (zmq_pollitem_t){.fd = stop_fd, .events = ZMQ_POLLIN};
    int ready = zmq_poll(items, count, wait_ms);
    door_turn(v->door);
    if (ready > 0)
        for (int i = 0; i < BATCH && take_message(v); i++)
            continue;
    if (v->done)
        return INVITE_DONE;
    if (v->used)
        return INVITE_USED;
    return wall_s() > v->ticket.expires_s ? INVITE_EXPIRED : INVITE_WAITING;
}
