/* hostile - who connects to a node and does what no honest one does, for cluster_hostile.py.
 *
 *   hostile frames  ENDPOINT CURVE COUNT SIZE [KEY CERT]   one message of so many frames
 *   hostile silent  ENDPOINT CURVE COUNT                   connections with keys made up, and no HELLO
 *   hostile fetch   ENDPOINT CURVE COUNT FRAGMENT KEY CERT   asks for a fragment so often, reads nothing;
 *                                                           FRAGMENT: OBJECT.INDEX.VAULT, its file's name
 *   hostile locate  ENDPOINT CURVE COUNT KEY CERT          asks so often where 2,048 packs are
 *   hostile dialled ENDPOINT CURVE COUNT KEY CERT          asks so often to be dialled
 *
 * CURVE is the node's key in hexadecimal digits; KEY and CERT are a member's, to begin with its HELLO.
 * It says "done" when everything is on its way, and ends when its input does.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "coding/base/bytes.h"
#include "coding/base/protocol.h"
#include "node/common/wire.h"
#include "node/net/transport.pb-c.h"
#include "node/peers/ask.h"
#include "node/trust/cert.h"
#include "node/trust/node_keys.h"

static void *context;
static const char *endpoint;
static uint8_t curve[32];

static void die(const char *what)
{
    fprintf(stderr, "hostile: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void *connect_with(const struct node_keys *keys)
{
    const int options[][2] = {{ZMQ_LINGER, 0},
                              {ZMQ_RECONNECT_IVL, -1},
                              {ZMQ_SNDHWM, 0},
                              {ZMQ_RCVHWM, 1},
                              {ZMQ_RCVBUF, 4096}};
    char public_key[41], secret_key[41];
    void *socket = zmq_socket(context, ZMQ_DEALER);
    if (socket == NULL)
        die("a socket");
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (zmq_setsockopt(socket, options[i][0], &options[i][1], sizeof(int)) != 0)
            die("an option");
    zmq_curve_keypair(public_key, secret_key);
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, curve, 32) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY,
                       keys != NULL ? (const void *)keys->curve_public : public_key,
                       keys != NULL ? 32 : 41) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY,
                       keys != NULL ? (const void *)keys->curve_secret : secret_key,
                       keys != NULL ? 32 : 41) != 0 ||
        zmq_connect(socket, endpoint) != 0)
        die("connecting");
    return socket;
}

static void send_envelope(void *socket, Ecbak__LinkEnvelope *envelope, int flags)
{
    size_t size;
    uint8_t *bytes = wire_pack(envelope, &size);
    if (zmq_send(socket, bytes, size, flags) < 0)
        die("sending");
    free(bytes);
}

/* As the member that these files are of, after its HELLO; NULL: as nobody. */
static void *come(const char *key_file, const char *cert_file)
{
    struct node_keys *keys;
    struct cert cert;
    struct err err = ERR_INIT;
    uint8_t bytes[CERT_BYTES_MAX];
    Ecbak__LinkHello hello = ECBAK__LINK_HELLO__INIT;
    Ecbak__LinkEnvelope envelope = ECBAK__LINK_ENVELOPE__INIT;
    if (key_file == NULL)
        return connect_with(NULL);
    size_t size;
    if (node_keys_load(&keys, key_file, &err) != 0 || cert_load(&cert, cert_file, &err) != 0 ||
        cert_encode(&cert, bytes, &size, &err) != 0) {
        fprintf(stderr, "hostile: %s\n", err.text);
        exit(1);
    }
    void *socket = connect_with(keys);
    node_keys_destroy(&keys);
    hello.version_min = PROTOCOL_OURS.lowest;
    hello.version_max = PROTOCOL_OURS.highest;
    hello.certificate = wire_view(bytes, size);
    envelope.control_case = ECBAK__LINK_ENVELOPE__CONTROL_HELLO;
    envelope.hello = &hello;
    send_envelope(socket, &envelope, 0);
    char welcome[4096];
    if (zmq_recv(socket, welcome, sizeof(welcome), 0) < 0)
        die("the welcome");
    return socket;
}

static void ask(void *socket, uint64_t call, Ecbak__PeerRequest *request)
{
    Ecbak__LinkEnvelope envelope = ECBAK__LINK_ENVELOPE__INIT;
    size_t size;
    uint8_t *bytes = wire_pack(request, &size);
    envelope.call = call;
    send_envelope(socket, &envelope, ZMQ_SNDMORE);
    if (zmq_send(socket, bytes, size, 0) < 0)
        die("asking");
    free(bytes);
}

/* Asks once, as an honest member does, and takes the answer: what is asked often is to be work for the
 * node, and no mistake that it refuses at once. */
static void ask_honestly(void *socket, Ecbak__PeerRequest *request)
{
    zmq_msg_t frame;
    int more = 1;
    ask(socket, 1, request);
    for (int i = 0; more; i++) {
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, 0) < 0)
            die("the answer");
        if (i == 1) {
            Ecbak__PeerReply *reply =
                wire_unpack(&ecbak__peer_reply__descriptor, zmq_msg_data(&frame),
                            zmq_msg_size(&frame), ASK_REPLY_BUDGET, NULL);
            if (reply == NULL || reply->error != ERR_NONE) {
                fprintf(stderr, "hostile: refused: %s\n", reply != NULL ? reply->error_text : "?");
                exit(1);
            }
            wire_free(reply);
        }
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

static void send_frames(void *socket, unsigned count, size_t size)
{
    uint8_t *bytes = calloc(1, size);
    for (unsigned i = 0; bytes != NULL && i < count; i++)
        if (zmq_send(socket, bytes, size, i + 1 < count ? ZMQ_SNDMORE : 0) < 0)
            die("sending frames");
    free(bytes);
}

static void fetch(void *socket, unsigned count, const char *fragment)
{
    uint8_t object[ID_SIZE], vault[ID_SIZE];
    char object_hex[2 * ID_SIZE + 1], vault_hex[2 * ID_SIZE + 1];
    Ecbak__GetFragment get = ECBAK__GET_FRAGMENT__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    if (sscanf(fragment, "%64[0-9a-f].%u.%64[0-9a-f]", object_hex, &get.index, vault_hex) != 3 ||
        hex_decode(object, ID_SIZE, object_hex) != 0 || hex_decode(vault, ID_SIZE, vault_hex) != 0)
        die("no fragment's name");
    get.object = wire_view(object, ID_SIZE);
    get.vault = wire_view(vault, ID_SIZE);
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT;
    request.get_fragment = &get;
    ask_honestly(socket, &request);
    for (unsigned i = 0; i < count; i++)
        ask(socket, i + 2, &request);
}

static void locate(void *socket, unsigned count)
{
    static uint8_t ids[ASK_PACKS_MAX][ID_SIZE];
    ProtobufCBinaryData views[ASK_PACKS_MAX];
    Ecbak__LocatePacks body = ECBAK__LOCATE_PACKS__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    randombytes_buf(ids, sizeof(ids));
    for (size_t i = 0; i < ASK_PACKS_MAX; i++)
        views[i] = wire_view(ids[i], ID_SIZE);
    body.n_packs = ASK_PACKS_MAX;
    body.packs = views;
    body.vault = views[0]; /* any */
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &body;
    ask_honestly(socket, &request);
    for (unsigned i = 0; i < count; i++)
        ask(socket, i + 2, &request);
}

static void be_dialled(void *socket, unsigned count)
{
    Ecbak__DialBack body = ECBAK__DIAL_BACK__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_DIAL_BACK;
    request.dial_back = &body;
    for (unsigned i = 0; i < count; i++)
        ask(socket, i + 1, &request);
}

int main(int argc, char **argv)
{
    if (argc < 5 || sodium_init() < 0)
        return 2;
    const char *what = argv[1];
    endpoint = argv[2];
    unsigned count = (unsigned)strtoul(argv[4], NULL, 10);
    context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 16384);
    if (context == NULL || hex_decode(curve, 32, argv[3]) != 0)
        return 2;
    if (strcmp(what, "frames") == 0 && (argc == 6 || argc == 8))
        send_frames(come(argc == 8 ? argv[6] : NULL, argc == 8 ? argv[7] : NULL), count,
                    strtoul(argv[5], NULL, 10));
    else if (strcmp(what, "silent") == 0 && argc == 5)
        for (unsigned i = 0; i < count; i++)
            come(NULL, NULL);
    else if (strcmp(what, "fetch") == 0 && argc == 8)
        fetch(come(argv[6], argv[7]), count, argv[5]);
    else if (strcmp(what, "locate") == 0 && argc == 7)
        locate(come(argv[5], argv[6]), count);
    else if (strcmp(what, "dialled") == 0 && argc == 7)
        be_dialled(come(argv[5], argv[6]), count);
    else
        return 2;
    puts("done");
    fflush(stdout);
    char ignored[16];
    while (read(STDIN_FILENO, ignored, sizeof(ignored)) > 0)
        continue;
    _exit(0); /* nothing that waits is worth waiting for */
}
