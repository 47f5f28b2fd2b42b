/* Names that do not resolve yet. The name server is ours: the linker puts its function before the
 * system's. */
#include "test/membership_bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netdb.h>
#include <stdatomic.h>

#include "node/net/names.h"

static atomic_bool there; /* the name server */
static atomic_int asked;

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    struct in_addr numeric = {.s_addr = htonl(INADDR_LOOPBACK)};
    if (inet_pton(AF_INET, host, &numeric) != 1) { /* else libzmq's, where it listens */
        atomic_fetch_add(&asked, 1);
        if (!atomic_load(&there)) {
            usleep(300000); /* as one that is away */
            return EAI_AGAIN;
        }
        if (strcmp(host, "own.test") == 0)
            numeric.s_addr = htonl(INADDR_LOOPBACK + 6);
    }
    struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in));
    struct sockaddr_in *address = (struct sockaddr_in *)(info + 1);
    address->sin_family = AF_INET;
    address->sin_addr = numeric;
    address->sin_port = htons((uint16_t)(service != NULL ? strtoul(service, NULL, 10) : 0));
    info->ai_family = AF_INET;
    info->ai_socktype = hints != NULL ? hints->ai_socktype : SOCK_STREAM;
    info->ai_addr = (struct sockaddr *)address;
    info->ai_addrlen = sizeof(*address);
    *found = info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

static size_t descriptors(void)
{
    size_t count = 0;
    DIR *list = opendir("/proc/self/fd");
    assert_non_null(list);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

static void ignore_message(void *ctx, struct link_message *message)
{
    (void)ctx, (void)message;
}

static void ignore_loss(void *ctx, const uint8_t curve[32], const struct err *why)
{
    (void)ctx, (void)curve, (void)why;
}

static void addresses_are_taken_as_they_are(void **state)
{
    (void)state;
    static const char *const same[] = {"127.0.0.1:7411", "[::1]:7411"};
    struct names *names = names_new();
    struct err err = ERR_INIT;
    struct endpoint to;
    atomic_store(&asked, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(names_resolve(names, same[i], &to, &err), 0);
        assert_string_equal(endpoint_address(&to), same[i]);
    }
    assert_int_equal(names_resolve(names, "7411", &to, &err), -1);
    assert_int_equal(atomic_load(&asked), 0);
    atomic_store(&there, true);
    assert_int_equal(names_resolve(names, "seed.test:7411", &to, &err), 0);
    assert_string_equal(endpoint_address(&to), "127.0.0.1:7411");
    names_destroy(&names);
}

static void a_member_whose_seeds_have_names_joins_when_they_resolve(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_made(a);
    atomic_store(&there, false);
    atomic_store(&asked, 0);
    snprintf(b->config.seeds[0].address, sizeof(b->config.seeds[0].address), "seed.test:%u",
             a->config.member_port);
    node_up(b);
    WAIT_FOR(atomic_load(&asked) >= 2);
    size_t before = descriptors();
    WAIT_FOR(atomic_load(&asked) >= 5);
    assert_true(descriptors() <= before);
    atomic_store(&there, true);
    assert_true(until(b, a, is_alive) < 5000);
    until(a, b, is_alive);
    node_free(b);
    node_free(a);
}

/* A member as it should not be: with a name where its address is. */
static void say_by_name(struct node *liar, struct node *to, const char *address, const char *bulk)
{
    struct err err = ERR_INIT;
    struct node_meta meta = {.version = "0"};
    struct trust trust;
    struct swim_ops ops;
    struct swim_config config;
    struct swim *swim;
    uint8_t metadata[META_BYTES_MAX];
    struct swim_self self = {.id = liar->keys->node, .name = liar->cert.name, .address = address};
    const struct link_ops nothing = {.received = ignore_message, .lost = ignore_loss};
    const struct link_options options = {.listen = "127.0.0.1:0",
                                         .keys = liar->keys,
                                         .cert = &liar->cert,
                                         .authority_public = authority_public,
                                         .protocol = PROTOCOL_OURS,
                                         .message_max = 1 << 20,
                                         .sessions_max = 8,
                                         .peers_max = 8,
                                         .idle_ms = 60000,
                                         .receive_hwm = 8,
                                         .send_hwm = 8,
                                         .backlog_max = 1 << 20};
    struct link *link;
    assert_int_equal(cert_encode(&liar->cert, meta.certificate, &meta.certificate_size, &err), 0);
    if (endpoint_parse(&meta.bulk, bulk, &err) != 0) /* what the type does not hold */
        snprintf(meta.bulk.text, sizeof(meta.bulk.text), "tcp://%s", bulk);
    assert_int_equal(meta_encode(&meta, metadata, &self.metadata_size, &err), 0);
    self.metadata = metadata;
    trust_init(&trust, liar->keys, authority_public, NULL);
    trust_fill_ops(&trust, &ops);
    assert_int_equal(swim_profile(&config, "local", &err), 0);
    assert_int_equal(swim_new(&swim, &config, &ops, &self, (uint64_t)boottime_ms(), &err), 0);
    assert_int_equal(swim_join(swim, (uint64_t)boottime_ms(), "there", &err), 0);
    assert_int_equal(link_new(&link, &options, &nothing, &err), 0);
    struct link_peer peer = {.endpoint = at_port(to->config.member_port)};
    memcpy(peer.curve, to->keys->curve_public, sizeof(peer.curve));
    struct swim_order order;
    while (swim_next_order(swim, &order)) {
        zmq_msg_t body;
        if (order.kind != SWIM_SEND)
            continue;
        zmq_msg_init_size(&body, order.send.size);
        memcpy(zmq_msg_data(&body), order.send.bytes, order.send.size);
        assert_int_equal(link_send(link, &peer, 0, 0, &body, NULL, &err), 0);
    }
    struct membership_counters before, now;
    membership_counters(to->membership, &before);
    WAIT_FOR((link_process(link), membership_counters(to->membership, &now), usleep(1000),
              now.named > before.named));
    link_destroy(&link);
    swim_destroy(&swim);
    trust_release(&trust);
}

static void nobody_makes_others_ask_a_name_server(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a), *liar = node_made(NULL);
    struct member_table *table;
    until(b, a, is_alive);
    until(a, b, is_alive);
    atomic_store(&asked, 0);
    say_by_name(liar, a, "evil.test:7411", "127.0.0.1:7412");
    say_by_name(liar, a, "127.0.0.1:7411", "evil.test:7412");
    say_by_name(liar, a, "[evil.test]:7411", "127.0.0.1:7412");
    assert_null(seen(a, liar, &table));
    member_table_release(&table);
    assert_int_equal(atomic_load(&asked), 0);
    node_free(liar);
    node_free(b);
    node_free(a);
}

/* ---- our own --------------------------------------------------------------------------------- */

static char address[16] = "127.0.0.7";

static bool is_at(const struct member *member)
{
    return is_alive(member) && strncmp(member->address, address, strlen(address)) == 0 &&
           endpoint_is_at(&member->bulk, address);
}

static bool is_nowhere(const struct member *member)
{
    return is_alive(member) && !endpoint_known(&member->bulk);
}

static void what_is_stated_follows_our_own_name(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_made(a);
    atomic_store(&there, false);
    snprintf(b->config.advertise_address, sizeof(b->config.advertise_address), "own.test");
    node_up(b);
    until(a, b, is_nowhere); /* it is heard on its own connections */
    atomic_store(&there, true);
    until(a, b, is_at);
    node_free(b);
    node_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_as_they_are),
        cmocka_unit_test(a_member_whose_seeds_have_names_joins_when_they_resolve),
        cmocka_unit_test(nobody_makes_others_ask_a_name_server),
        cmocka_unit_test(what_is_stated_follows_our_own_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
