/* Revocations: their bytes, who signed them, and the set of them that a node keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "node/base/log.h"
#include "node/common/wire.h"
#include "node/net/revocations.h"
#include "node/sync/revoke.h"

#define NOW_S 1700000000

static uint8_t authority_public[32], authority_secret[64];
static char path[] = "/tmp/unit_revocation.XXXXXX/revocations";

/* Every fsync of this program comes through here. */
static void (*while_syncing)(void);

int fsync(int fd)
{
    if (while_syncing != NULL)
        while_syncing();
    return (int)syscall(SYS_fsync, fd);
}

static int set_up(void **state)
{
    (void)state;
    uint8_t seed[crypto_sign_SEEDBYTES];
    if (sodium_init() < 0)
        return -1;
    memset(seed, 1, sizeof(seed));
    crypto_sign_seed_keypair(authority_public, authority_secret, seed);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    char *made = mkdtemp(path);
    *slash = '/';
    return made == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

static struct revocation sample(uint8_t number)
{
    struct revocation r = {.at_s = NOW_S, .until_s = NOW_S + 1000, .name = "alpha-1"};
    memset(r.node.bytes, number, sizeof(r.node));
    memset(r.curve, number + 1, sizeof(r.curve));
    snprintf(r.reason, sizeof(r.reason), "lost on a train");
    assert_int_equal(revocation_sign(&r, authority_secret, NULL), 0);
    return r;
}

static struct revocations *opened(size_t *dropped)
{
    struct revocations *set;
    struct err err = ERR_INIT;
    if (revocations_open(&set, path, authority_public, NOW_S, dropped, &err) != 0)
        fail_msg("%s", err.text);
    return set;
}

static struct revocations *empty(void)
{
    size_t dropped;
    (void)unlink(path);
    struct revocations *set = opened(&dropped);
    assert_int_equal(dropped, 0);
    return set;
}

static bool add(struct revocations *set, const struct revocation *r, const char *bulk)
{
    uint8_t bytes[REVOCATION_BYTES];
    bool added;
    struct err err = ERR_INIT;
    assert_int_equal(revocation_encode(r, bytes, &err), 0);
    if (revocations_add(set, bytes, sizeof(bytes), bulk, NOW_S, &added, &err) != 0)
        fail_msg("%s", err.text);
    return added;
}

static bool covers(struct revocations *set, uint8_t node, uint8_t curve, uint64_t serial)
{
    struct node_id node_id;
    uint8_t key[32];
    memset(node_id.bytes, node, sizeof(node_id));
    memset(key, curve, sizeof(key));
    return revocations_cover(set, &node_id, key, serial, NULL);
}

static void the_bytes_of_a_revocation_are_settled(void **state)
{
    (void)state;
    struct revocation r = sample(0x11);
    uint8_t bytes[REVOCATION_BYTES];
    char hex[2 * REVOCATION_BYTES + 1];
    assert_int_equal(revocation_encode(&r, bytes, NULL), 0);
    assert_string_equal(
        hex_encode(hex, bytes, sizeof(bytes)),
        "4552455601000100c5e21ab1c9f6022d81c3b25e3436cb7f1df77f9652ae3e1310c28e621dd87b4c"
        "11111111111111111111111111111111111111111111111111111111111111111212121212121212"
        "121212121212121212121212121212121212121212121212000000000000000000f1536500000000"
        "e8f4536500000000616c7068612d3100000000000000000000000000000000000000000000000000"
        "6c6f7374206f6e206120747261696e00000000000000000000000000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000002d56efe268f8eb11451575024c7f49ec53d25b35f64ee805"
        "f4f8f515376d0ab6eba51d9f4f7b7c63a96a290c9450fe97d2166b31a0f271f69c7151dc1ae8570b");
}

static void a_revocation_survives_its_armor(void **state)
{
    (void)state;
    struct revocation r = sample(7), back;
    struct err err = ERR_INIT;
    char line[REVOCATION_ARMOR_MAX];
    r.serial = 99;
    assert_int_equal(revocation_sign(&r, authority_secret, &err), 0);
    assert_int_equal(revocation_armor(line, &r, &err), 0);
    assert_int_equal(strncmp(line, "ecbak-revocation-1:", 19), 0);
    assert_int_equal(revocation_unarmor(&back, line, &err), 0);
    assert_memory_equal(&back, &r, sizeof(r));
    assert_int_equal(revocation_check(&back, authority_public, &err), 0);
}

static void every_flipped_byte_and_every_other_length_is_refused(void **state)
{
    (void)state;
    struct revocation r = sample(7), back;
    uint8_t bytes[REVOCATION_BYTES + 1] = {0};
    assert_int_equal(revocation_encode(&r, bytes, NULL), 0);
    for (size_t i = 0; i < REVOCATION_BYTES; i++) {
        bytes[i] ^= 1;
        assert_true(revocation_decode(&back, bytes, REVOCATION_BYTES, NULL) != 0 ||
                    revocation_check(&back, authority_public, NULL) != 0);
        bytes[i] ^= 1;
    }
    for (size_t size = 0; size <= sizeof(bytes); size++)
        assert_int_equal(revocation_decode(&back, bytes, size, NULL),
                         size == REVOCATION_BYTES ? 0 : -1);
}

static void forgers_and_other_clusters_revoke_nobody(void **state)
{
    (void)state;
    struct revocations *set = empty();
    struct revocation r = sample(3);
    uint8_t bytes[REVOCATION_BYTES], stranger_public[32], stranger[64];
    bool added;
    struct err err = ERR_INIT;
    crypto_sign_keypair(stranger_public, stranger);
    assert_int_equal(revocation_sign(&r, stranger, &err), 0);
    assert_int_equal(revocation_encode(&r, bytes, &err), 0);
    assert_int_equal(revocations_add(set, bytes, sizeof(bytes), NULL, NOW_S, &added, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    cluster_id(&r.cluster, authority_public); /* says that it is of our cluster */
    assert_int_equal(revocation_encode(&r, bytes, &err), 0);
    assert_int_equal(revocations_add(set, bytes, sizeof(bytes), NULL, NOW_S, &added, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_false(covers(set, 3, 3, 1));
    revocations_close(&set);
}

static void odd_reasons_are_never_signed(void **state)
{
    (void)state;
    struct revocation r = sample(1);
    snprintf(r.reason, sizeof(r.reason), "a\nb");
    assert_int_equal(revocation_sign(&r, authority_secret, NULL), -1);
    memset(r.reason, 'x', sizeof(r.reason));
    assert_int_equal(revocation_sign(&r, authority_secret, NULL), -1);
    snprintf(r.reason, sizeof(r.reason), "gestohlen im Caf\xc3\xa9");
    assert_int_equal(revocation_sign(&r, authority_secret, NULL), 0);
}

static void a_node_is_out_under_every_name_and_key_and_one_certificate_alone(void **state)
{
    (void)state;
    struct revocations *set = empty();
    struct revocation all = sample(0x10), one = sample(0x20);
    one.serial = 5;
    assert_int_equal(revocation_sign(&one, authority_secret, NULL), 0);
    assert_true(add(set, &all, NULL));
    assert_true(add(set, &one, NULL));
    assert_true(covers(set, 0x10, 0x99, 1)); /* its id, with other keys */
    assert_true(covers(set, 0x99, 0x11, 1)); /* its key, under another id */
    assert_false(covers(set, 0x99, 0x99, 1));
    assert_true(covers(set, 0x20, 0x21, 5));
    assert_false(covers(set, 0x20, 0x21, 6)); /* goes on with a newer certificate */
    assert_false(covers(NULL, 0x10, 0x11, 1));
    revocations_close(&set);
}

static void sets_that_were_united_have_one_digest_whatever_the_order(void **state)
{
    (void)state;
    struct revocations *a = empty(), *b = empty();
    struct revocation first = sample(1), second = sample(2);
    assert_true(add(a, &first, NULL));
    assert_true(add(a, &second, NULL));
    assert_false(add(a, &second, NULL));
    assert_true(add(b, &second, "somewhere:1"));
    assert_true(revocations_digest(a).digest != revocations_digest(b).digest);
    assert_true(add(b, &first, NULL));
    assert_true(revocations_digest(a).digest == revocations_digest(b).digest);
    assert_int_equal(revocations_digest(b).count, 2);
    revocations_close(&a);
    revocations_close(&b);
}

static void what_is_kept_is_there_after_a_restart(void **state)
{
    (void)state;
    struct revocations *set = empty();
    struct revocation r = sample(1);
    struct err err = ERR_INIT;
    struct revoked *list;
    size_t dropped;
    assert_true(add(set, &r, NULL));
    revocations_place(set, &r.node, "10.0.0.7:7412");
    assert_false(add(set, &r, "10.6.6.6:1")); /* what we know ourselves counts */
    struct revocation_digest digest = revocations_digest(set);
    assert_int_equal(revocations_save(set, &err), 0);
    revocations_close(&set);
    set = opened(&dropped);
    assert_int_equal(dropped, 0);
    assert_true(covers(set, 1, 0, 9));
    assert_true(revocations_digest(set).digest == digest.digest);
    assert_int_equal(revocations_list(set, &list), 1);
    assert_memory_equal(&list[0].revocation, &r, sizeof(r));
    assert_string_equal(list[0].bulk, "10.0.0.7:7412");
    free(list);
    revocations_close(&set);
}

static struct revocations *asked;
static bool was_answered;

static void *ask_about_one(void *unused)
{
    (void)unused;
    assert_true(covers(asked, 1, 0, 1));
    return NULL;
}

static void ask_while_the_disk_is_slow(void)
{
    pthread_t asking;
    struct timespec until;
    while_syncing = NULL;
    assert_int_equal(pthread_create(&asking, NULL, ask_about_one, NULL), 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    was_answered = pthread_timedjoin_np(asking, NULL, &until) == 0;
    if (!was_answered)
        pthread_detach(asking);
}

/* Each message of each member is checked against the set: a disk that hangs must not hang those. */
static void who_asks_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    struct revocation r = sample(1);
    struct err err = ERR_INIT;
    asked = empty();
    assert_true(add(asked, &r, NULL));
    while_syncing = ask_while_the_disk_is_slow;
    assert_int_equal(revocations_save(asked, &err), 0);
    assert_true(was_answered);
    revocations_close(&asked);
}

static void a_damaged_file_gives_up_what_still_proves_itself(void **state)
{
    (void)state;
    struct revocations *set = empty();
    struct revocation first = sample(1), second = sample(0x50);
    struct err err = ERR_INIT;
    size_t dropped;
    assert_true(add(set, &first, NULL));
    assert_true(add(set, &second, NULL));
    assert_int_equal(revocations_save(set, &err), 0);
    revocations_close(&set);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff", 1, 16 + 45), 1); /* inside the first one's node id */
    close(fd);
    set = opened(&dropped);
    assert_int_equal(dropped, 1);
    assert_false(covers(set, 1, 0, 1));
    assert_true(covers(set, 0x50, 0, 1));
    revocations_close(&set);
    assert_int_equal(truncate(path, 16 + 100), 0);
    set = opened(&dropped);
    assert_int_equal(dropped, 1);
    assert_int_equal(revocations_digest(set).count, 0);
    revocations_close(&set);
}

static void it_is_forgotten_when_its_certificates_have_expired(void **state)
{
    (void)state;
    struct revocations *set = empty();
    struct revocation r = sample(1);
    assert_true(add(set, &r, NULL));
    revocations_forget(set, r.until_s + CERT_SLACK_S);
    assert_true(covers(set, 1, 0, 1));
    revocations_forget(set, r.until_s + CERT_SLACK_S + 1);
    assert_false(covers(set, 1, 0, 1));
    assert_int_equal(revocations_digest(set).count, 0);
    assert_int_equal(revocations_digest(set).digest, 0);
    r.until_s = NOW_S - CERT_SLACK_S - 1;
    assert_int_equal(revocation_sign(&r, authority_secret, NULL), 0);
    assert_false(add(set, &r, NULL)); /* pointless from the start */
    revocations_close(&set);
}

static void there_is_a_bound_to_them(void **state)
{
    (void)state;
    struct revocations *set = empty();
    struct revocation r = sample(1);
    uint8_t bytes[REVOCATION_BYTES];
    bool added;
    struct err err = ERR_INIT;
    for (unsigned i = 0; i < REVOCATIONS_MAX; i++) {
        memcpy(r.node.bytes, &i, sizeof(i));
        assert_int_equal(revocation_sign(&r, authority_secret, NULL), 0);
        assert_true(add(set, &r, "127.0.0.1:7412"));
    }
    r.node.bytes[31] = 0xee;
    assert_int_equal(revocation_sign(&r, authority_secret, NULL), 0);
    assert_int_equal(revocation_encode(&r, bytes, NULL), 0);
    assert_int_equal(revocations_add(set, bytes, sizeof(bytes), NULL, NOW_S, &added, &err), -1);
    assert_int_equal(err.code, ERR_FULL);
    assert_int_equal(revocations_save(set, &err), 0);
    revocations_close(&set);
    size_t dropped;
    set = opened(&dropped);
    assert_int_equal(dropped, 0);
    assert_int_equal(revocations_digest(set).count, REVOCATIONS_MAX);
    revocations_close(&set);
}

/* By the clock of this machine, since that is what a list of another member is taken in with. */
static void one_that_proves_nothing_does_not_hide_those_behind_it(void **state)
{
    (void)state;
    struct revocations *set = empty();
    struct revocation r = sample(0x30);
    uint8_t bytes[2][REVOCATION_BYTES];
    Ecbak__ListRevocationsReply list = ECBAK__LIST_REVOCATIONS_REPLY__INIT;
    Ecbak__Revoked of[2] = {ECBAK__REVOKED__INIT, ECBAK__REVOKED__INIT}, *both[] = {&of[0], &of[1]};
    r.until_s = INT64_MAX;
    assert_int_equal(revocation_sign(&r, authority_secret, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(revocation_encode(&r, bytes[i], NULL), 0);
        of[i].revocation = wire_view(bytes[i], REVOCATION_BYTES);
    }
    bytes[0][4] = 2; /* a version of the future */
    list.revoked = both;
    list.n_revoked = 2;
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(revoke_unite(set, &list, "newer"), 1);
    assert_true(covers(set, 0x30, 0, 1));
    assert_int_equal(revoke_unite(set, &list, "newer"), 0);
    revocations_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_a_revocation_are_settled),
        cmocka_unit_test(a_revocation_survives_its_armor),
        cmocka_unit_test(every_flipped_byte_and_every_other_length_is_refused),
        cmocka_unit_test(forgers_and_other_clusters_revoke_nobody),
        cmocka_unit_test(odd_reasons_are_never_signed),
        cmocka_unit_test(a_node_is_out_under_every_name_and_key_and_one_certificate_alone),
        cmocka_unit_test(sets_that_were_united_have_one_digest_whatever_the_order),
        cmocka_unit_test(what_is_kept_is_there_after_a_restart),
        cmocka_unit_test(who_asks_does_not_wait_for_the_disk),
        cmocka_unit_test(a_damaged_file_gives_up_what_still_proves_itself),
        cmocka_unit_test(it_is_forgotten_when_its_certificates_have_expired),
        cmocka_unit_test(there_is_a_bound_to_them),
        cmocka_unit_test(one_that_proves_nothing_does_not_hide_those_behind_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
