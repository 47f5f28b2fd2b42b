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
        if (strcmp(host, "seed.test") != 0 || !atomic_load(&there)) {
            usleep(300000); /* as one that is away */
            return EAI_AGAIN;
        }
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

static void addresses_are_taken_as_they_are(void **state)
{
    (void)state;
    static const char *const same[] = {"tcp://127.0.0.1:7411", "tcp://[::1]:7411"};
    struct names *names = names_new();
    struct err err = ERR_INIT;
    char to[64];
    atomic_store(&asked, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(names_resolve(names, same[i], to, sizeof(to), &err), 0);
        assert_string_equal(to, same[i]);
    }
    assert_int_equal(names_resolve(names, "7411", to, sizeof(to), &err), -1);
    assert_int_equal(atomic_load(&asked), 0);
    atomic_store(&there, true);
    assert_int_equal(names_resolve(names, "tcp://seed.test:7411", to, sizeof(to), &err), 0);
    assert_string_equal(to, "tcp://127.0.0.1:7411");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_as_they_are),
        cmocka_unit_test(a_member_whose_seeds_have_names_joins_when_they_resolve),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
