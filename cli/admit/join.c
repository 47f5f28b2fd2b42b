/* Nothing is made before the ticket has proven itself, and nothing is asked for before this machine
 * could write what it will get: a ticket is not used up by a folder that cannot be written. */
#include "cli/admit/join.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "cli/admit/join_config.h"
#include "cli/base/program.h"
#include "coding/base/bytes.h"
#include "node/common/durable.h"
#include "node/common/endpoint.h"
#include "node/common/wire.h"
#include "node/trust/node_keys.h"

#define REPLY_MAX    65536
#define REPLY_BUDGET (256 * 1024)
#define ANSWER_MS    10000 /* of one address */
#define SILENCE_MS   3000  /* of it, before somebody is told */
#define SEEDS_MAX    16    /* that a configuration may name */

/* ---- the inviter --------------------------------------------------------------------------- */

static void *connected(void *context, const struct ticket *ticket, const char *address)
{
    char public_z85[41], secret_z85[41];
    struct endpoint endpoint;
    struct err ignored = ERR_INIT; /* it cannot be reached there: the next address is tried */
    const int options[][2] = {{ZMQ_LINGER, 0}, {ZMQ_IPV6, 1}, {ZMQ_RECONNECT_IVL, 500}};
    int64_t largest = REPLY_MAX;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    bool good = socket != NULL && zmq_curve_keypair(public_z85, secret_z85) == 0 &&
                zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) == 0 &&
                zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, ticket->curve, 32) == 0 &&
                zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_z85, 41) == 0 &&
                zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_z85, 41) == 0;
    for (size_t i = 0; good && i < sizeof(options) / sizeof(options[0]); i++)
        good = zmq_setsockopt(socket, options[i][0], &options[i][1], sizeof(int)) == 0;
    sodium_memzero(secret_z85, sizeof(secret_z85));
    good = good && endpoint_resolve(&endpoint, address, NULL, &ignored) == 0 &&
           endpoint_known(&endpoint);
    if (good && endpoint_connect(socket, &endpoint) == 0)
        return socket;
    if (socket != NULL)
        zmq_close(socket);
    return NULL;
}

static void send_request(void *socket, const struct ticket *ticket, const char *request, bool done)
{
    Ecbak__JoinRequest message = ECBAK__JOIN_REQUEST__INIT;
    message.version = 1;
    message.token = wire_view(ticket->token, sizeof(ticket->token));
    message.request = (char *)request;
    message.done = done;
    size_t size;
    uint8_t *bytes = wire_pack(&message, &size);
    (void)!zmq_send(socket, bytes, size, ZMQ_DONTWAIT); /* no answer comes, if it was not sent */
    sodium_memzero(bytes, size);
    free(bytes);
}

static bool is_usable(const Ecbak__JoinReply *reply)
{
    for (size_t i = 0; i < reply->n_seeds; i++)
        if (reply->seeds[i]->key.len != 32 || strlen(reply->seeds[i]->address) > 63)
            return false;
    return reply->n_seeds <= SEEDS_MAX;
}

/* NULL: no answer, or none that makes sense. */
static Ecbak__JoinReply *wait_reply(void *socket, const struct join_options *o, const char *address,
                                    struct err *err)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    Ecbak__JoinReply *reply = NULL;
    char text[TICKET_ADDRESS_SIZE + 64];
    int ready = zmq_poll(&item, 1, SILENCE_MS);
    if (ready <= 0) {
        snprintf(text, sizeof(text), "waiting for the inviter at %s, for %d s at most", address,
                 (ANSWER_MS - SILENCE_MS) / 1000);
        o->tell(text);
        ready = zmq_poll(&item, 1, ANSWER_MS - SILENCE_MS);
    }
    if (ready <= 0) {
        err_set(err, ERR_TIMEOUT, "no answer");
        return NULL;
    }
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0)
        reply = wire_unpack(&ecbak__join_reply__descriptor, zmq_msg_data(&frame),
                            zmq_msg_size(&frame), REPLY_BUDGET, err);
    zmq_msg_close(&frame);
    if (reply != NULL && !is_usable(reply)) {
        wire_free(reply);
        err_set(err, ERR_FORMAT, "its answer makes no sense");
        return NULL;
    }
    return reply;
}

/* Asks at one address after the other. *socket stays open for "done". */
static Ecbak__JoinReply *ask(void *context, const struct join_options *o, const char *request,
                             void **socket, struct err *err)
{
    const struct ticket *ticket = o->ticket;
    char tried[TICKET_ADDRESSES_MAX * TICKET_ADDRESS_SIZE + 8] = "";
    *socket = NULL;
    for (size_t i = 0; i < ticket->address_count; i++) {
        size_t used = strlen(tried);
        snprintf(tried + used, sizeof(tried) - used, "%s%s", i > 0 ? ", " : "",
                 ticket->addresses[i]);
        *socket = connected(context, ticket, ticket->addresses[i]);
        if (*socket == NULL)
            continue;
        send_request(*socket, ticket, request, false);
        Ecbak__JoinReply *reply = wait_reply(*socket, o, ticket->addresses[i], err);
        if (reply != NULL && reply->error == 0)
            return reply;
        if (reply != NULL) {
            wire_error(err, reply->error, reply->error_text);
            wire_free(reply);
        }
        zmq_close(*socket);
        *socket = NULL;
        if (err->code != ERR_TIMEOUT)
            return NULL;
    }
    err_set(err, ERR_TIMEOUT,
            "nobody answers at %s: either this machine cannot reach that one (a firewall?), or its "
            "`ecbak invite` has ended; a ticket ends with it, ask for a new one then",
            tried);
    return NULL;
}

/* ---- this machine -------------------------------------------------------------------------- */

/* The address that packets to `inviter` (host:port) come from; nothing is sent. */
static bool own_address(const char *inviter, char to[TICKET_ADDRESS_SIZE])
{
    char host[TICKET_ADDRESS_SIZE], text[INET6_ADDRSTRLEN];
    const struct addrinfo wanted = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    snprintf(host, sizeof(host), "%s", inviter);
    char *colon = strrchr(host, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    char *bare = host[0] == '[' ? host + 1 : host;
    bare[strcspn(bare, "]")] = '\0';
    if (getaddrinfo(bare, colon + 1, &wanted, &found) != 0)
        return false;
    int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                 getsockname(fd, (struct sockaddr *)&own, &size) == 0;
    freeaddrinfo(found);
    if (fd >= 0)
        close(fd);
    if (!known)
        return false;
    if (own.ss_family == AF_INET)
        return inet_ntop(AF_INET, &((struct sockaddr_in *)&own)->sin_addr, to,
                         TICKET_ADDRESS_SIZE) != NULL;
    if (own.ss_family != AF_INET6 ||
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&own)->sin6_addr, text, sizeof(text)) == NULL)
        return false;
    snprintf(to, TICKET_ADDRESS_SIZE, "[%s]", text);
    return true;
}

/* Where the inviter would see us: others of its network reach us there too. */
static int find_advertise(const struct join_options *o, char to[TICKET_ADDRESS_SIZE],
                          struct err *err)
{
    if (o->advertise != NULL) {
        if (strlen(o->advertise) >= TICKET_ADDRESS_SIZE)
            return err_set(err, ERR_USAGE, "the address '%.20s...' is too long", o->advertise);
        snprintf(to, TICKET_ADDRESS_SIZE, "%s", o->advertise);
        return 0;
    }
    for (size_t i = 0; i < o->ticket->address_count; i++)
        if (own_address(o->ticket->addresses[i], to))
            return 0;
    return err_set(
        err, ERR_NOT_FOUND,
        "the address at which others reach this machine cannot be told: say --advertise");
}

/* Was it written by a join that was cut off, or does it set nothing, as the package brings it? */
static bool is_replaceable(const char *config)
{
    char line[1024];
    bool first = true, ours = false, set = false;
    FILE *in = fopen(config, "re");
    if (in == NULL)
        return false;
    while (!ours && !set && fgets(line, sizeof(line), in) != NULL) {
        ours = first && strncmp(line, JOIN_CONFIG_MARK, strlen(JOIN_CONFIG_MARK)) == 0;
        size_t blank = strspn(line, " \t\r\n");
        set = line[blank] != '#' && line[blank] != '\0';
        first = false;
    }
    bool whole = ferror(in) == 0;
    fclose(in);
    return whole && (ours || !set);
}

static int check_paths(const struct join_options *o, struct err *err)
{
    char certificate[JOIN_PATH_MAX], folder[JOIN_PATH_MAX];
    if (join_path(certificate, o->config, "node.cert", err) != 0 ||
        join_path(folder, o->config, "", err) != 0)
        return -1;
    if (!o->force && access(certificate, F_OK) == 0)
        return err_set(err, ERR_EXISTS,
                       "%s is there: this machine is a member already; --force makes it one anew, "
                       "with the keys that it has",
                       certificate);
    if (!o->force && access(o->config, F_OK) == 0 && !is_replaceable(o->config))
        return err_set(err, ERR_EXISTS,
                       "%s is there, was not written by `ecbak join`, and sets something: "
                       "--force overwrites it",
                       o->config);
    folder[strlen(folder) - 1] = '\0';
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return err_errno(err, "making the folder %s", folder);
    return 0;
}

/* The line that asks for a certificate: with new keys, or with those of a join that was cut off. */
static int make_request(const struct join_options *o, char request[CERT_ARMOR_MAX], struct err *err)
{
    char program[PROGRAM_PATH_MAX];
    if (program_find_daemon(program, err) != 0)
        return -1;
    const char *words[] = {program, "--config", o->config, "--print-request", NULL};
    if (program_ask(words, request, CERT_ARMOR_MAX, err) == 0)
        return 0;
    words[3] = "--init";
    return program_ask(words, request, CERT_ARMOR_MAX, err);
}

/* Is what came what was asked for? The connection proved the inviter, its signature the rest. */
static int check_certificate(const struct ticket *ticket, const char *request, const char *armor,
                             struct cert *cert, struct err *err)
{
    struct cert asked;
    if (cert_unarmor(cert, armor, err) != 0 || cert_check(cert, ticket->authority, err) != 0 ||
        cert_check_dates(cert, (int64_t)time(NULL), err) != 0 ||
        cert_request_read(&asked, request, err) != 0)
        return err_context(err, "the certificate that came back");
    if (!id_equal(&asked.node, &cert->node) ||
        memcmp(asked.curve, cert->curve, sizeof(cert->curve)) != 0)
        return err_set(err, ERR_FOREIGN, "the certificate that came back is another machine's");
    return 0;
}

static int write_line(const char *config, const char *file, const char *text, struct err *err)
{
    char path[JOIN_PATH_MAX];
    if (join_path(path, config, file, err) != 0)
        return -1;
    const struct durable_piece pieces[] = {{text, strlen(text)}, {"\n", 1}};
    return durable_write(path, pieces, 2, 0644, DURABLE_REPLACE, err);
}

/* The certificate goes last: with it the join is complete. */
static int install(const struct join_options *o, const char *advertise,
                   const Ecbak__JoinReply *reply, struct err *err)
{
    char authority[65];
    hex_encode(authority, o->ticket->authority, 32);
    return write_line(o->config, "authority.pub", authority, err) != 0 ||
                   join_config_write(o, advertise, reply, err) != 0 ||
                   write_line(o->config, "node.cert", reply->certificate, err) != 0
               ? -1
               : 0;
}

int join_cluster(const struct join_options *o, struct joined *joined, struct err *err)
{
    char request[CERT_ARMOR_MAX];
    void *context = NULL, *socket = NULL;
    Ecbak__JoinReply *reply = NULL;
    int result = -1;
    *joined = (struct joined){0};
    if (ticket_check_dates(o->ticket, (int64_t)time(NULL), err) != 0 || check_paths(o, err) != 0 ||
        find_advertise(o, joined->advertise, err) != 0 ||
        join_config_write(o, joined->advertise, NULL, err) != 0 ||
        make_request(o, request, err) != 0)
        return -1;
    context = zmq_ctx_new();
    if (context == NULL)
        return err_set(err, ERR_IO, "starting ZeroMQ: %s", zmq_strerror(zmq_errno()));
    reply = ask(context, o, request, &socket, err);
    if (reply == NULL ||
        check_certificate(o->ticket, request, reply->certificate, &joined->cert, err) != 0 ||
        install(o, joined->advertise, reply, err) != 0)
        goto done;
    joined->seed_count = reply->n_seeds;
    send_request(socket, o->ticket, request, true);
    struct err ignored = ERR_INIT; /* the join is complete, whether it was heard or not */
    wire_free(wait_reply(socket, o, "the other end", &ignored));
    result = 0;
done:
    wire_free(reply);
    if (socket != NULL)
        zmq_close(socket);
    zmq_ctx_term(context);
    return result;
}
