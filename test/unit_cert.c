/* Who is who: certificates, requests, and the files that keep the keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "node/trust/authority.h"
#include "node/trust/cert.h"
#include "node/trust/node_keys.h"

static uint8_t authority_public[32], authority_secret[64];
static char folder[64];

static struct cert sample(void)
{
    struct cert c = {.serial = 7,
                     .not_before_s = 1700000000,
                     .not_after_s = 1800000000,
                     .name = "alpha-1",
                     .zone = "cellar"};
    memset(c.node.bytes, 0x11, sizeof(c.node));
    memset(c.curve, 0x22, sizeof(c.curve));
    assert_int_equal(cert_sign(&c, authority_secret, NULL), 0);
    return c;
}

static int set_up(void **state)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    (void)state;
    if (sodium_init() < 0)
        return -1;
    memset(seed, 1, sizeof(seed));
    crypto_sign_seed_keypair(authority_public, authority_secret, seed);
    snprintf(folder, sizeof(folder), "/tmp/unit_cert.XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"node.key", "a/authority.key", "a/authority.pub", "a",
                                        "line"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    return rmdir(folder); /* fails when something was left behind */
}

static void the_bytes_of_a_certificate_are_settled(void **state)
{
    (void)state;
    struct cert c = sample();
    uint8_t bytes[CERT_BYTES_MAX];
    size_t size;
    char hex[2 * CERT_BYTES_MAX + 1];
    assert_int_equal(cert_encode(&c, bytes, &size, NULL), 0);
    assert_int_equal(size, 256);
    assert_string_equal(
        hex_encode(hex, bytes, size),
        "4543525401000100c5e21ab1c9f6022d81c3b25e3436cb7f1df77f9652ae3e1310c28e621dd87b4c"
        "11111111111111111111111111111111111111111111111111111111111111112222222222222222"
        "222222222222222222222222222222222222222222222222070000000000000000f1536500000000"
        "00d2496b00000000616c7068612d3100000000000000000000000000000000000000000000000000"
        "63656c6c61720000000000000000000000000000000000000000000000000000ca9c9a5e5f2739b2"
        "047b66909b1e3b96e6357f542ea7e631669e4f33bbd1b58a4893304a103b7e5c45aa4d773b8d0688"
        "bc31ca12e6e8683feefa60048ec08109");
}

static void a_certificate_survives_its_armor(void **state)
{
    (void)state;
    struct cert c = sample(), back;
    char line[CERT_ARMOR_MAX];
    assert_int_equal(cert_armor(line, &c, NULL), 0);
    assert_int_equal(strncmp(line, "ecbak-certificate-1:", 20), 0);
    snprintf(line + strlen(line), sizeof(line) - strlen(line), " \r\n");
    assert_int_equal(cert_unarmor(&back, line, NULL), 0);
    assert_memory_equal(&back, &c, sizeof(c));
    assert_int_equal(cert_check(&back, authority_public, NULL), 0);
}

static void every_flipped_byte_is_refused(void **state)
{
    (void)state;
    struct cert c = sample(), back;
    uint8_t bytes[CERT_BYTES_MAX];
    size_t size;
    assert_int_equal(cert_encode(&c, bytes, &size, NULL), 0);
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            struct err err = ERR_INIT;
            bool refused = cert_decode(&back, bytes, size, &err) != 0 ||
                           cert_check(&back, authority_public, &err) != 0;
            assert_true(refused);
            assert_int_not_equal(err.code, ERR_NONE);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void every_length_but_the_right_one_is_refused(void **state)
{
    (void)state;
    struct cert c = sample(), back;
    uint8_t bytes[CERT_BYTES_MAX + 1] = {0};
    size_t size;
    assert_int_equal(cert_encode(&c, bytes, &size, NULL), 0);
    for (size_t i = 0; i <= sizeof(bytes); i++)
        assert_int_equal(cert_decode(&back, bytes, i, NULL), i == size ? 0 : -1);
}

static void an_unknown_version_is_refused_by_name(void **state)
{
    (void)state;
    struct cert c = sample(), back;
    struct err err = ERR_INIT;
    uint8_t bytes[CERT_BYTES_MAX];
    size_t size;
    assert_int_equal(cert_encode(&c, bytes, &size, NULL), 0);
    bytes[4] = 9;
    assert_int_equal(cert_decode(&back, bytes, size, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_non_null(strstr(err.text, "version 9"));
    assert_int_equal(cert_unarmor(&back, "ecbak-certificate-2:AAAA", &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_int_equal(cert_unarmor(&back, "ecbak-request-1:AAAA", &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
}

static void another_clusters_certificate_is_foreign(void **state)
{
    (void)state;
    struct cert c = sample();
    struct err err = ERR_INIT;
    uint8_t other_public[32], other_secret[64];
    crypto_sign_keypair(other_public, other_secret);
    assert_int_equal(cert_check(&c, other_public, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    /* Claims our cluster, signed by another. */
    assert_int_equal(cert_sign(&c, other_secret, NULL), 0);
    cluster_id(&c.cluster, authority_public);
    assert_int_equal(cert_check(&c, authority_public, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
}

static void dates_are_checked_with_some_slack_for_clocks(void **state)
{
    (void)state;
    struct cert c = sample();
    struct err err = ERR_INIT;
    assert_int_equal(cert_check_dates(&c, c.not_before_s - CERT_SLACK_S, &err), 0);
    assert_int_equal(cert_check_dates(&c, c.not_before_s - CERT_SLACK_S - 1, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, "not valid yet"));
    assert_int_equal(cert_check_dates(&c, c.not_after_s, &err), 0);
    assert_int_equal(cert_check_dates(&c, c.not_after_s + 1, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, "expired"));
}

static void odd_names_and_dates_are_never_signed(void **state)
{
    (void)state;
    static const char *const odd[] = {"", "a b", "a/b", "\xc3\xa4", "a\n"};
    struct cert c = sample();
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        snprintf(c.name, sizeof(c.name), "%s", odd[i]);
        assert_int_equal(cert_sign(&c, authority_secret, NULL), -1);
    }
    memset(c.name, 'a', sizeof(c.name));
    assert_int_equal(cert_sign(&c, authority_secret, NULL), -1);
    c = sample();
    c.not_after_s = c.not_before_s - 1;
    assert_int_equal(cert_sign(&c, authority_secret, NULL), -1);
}

static void a_request_is_signed_by_the_key_it_names(void **state)
{
    (void)state;
    struct node_keys *keys = node_keys_new();
    struct cert c;
    struct err err = ERR_INIT;
    char line[CERT_ARMOR_MAX];
    assert_int_equal(cert_request(line, keys, "beta", "attic", &err), 0);
    assert_int_equal(cert_request_read(&c, line, &err), 0);
    assert_memory_equal(c.node.bytes, keys->node.bytes, 32);
    assert_memory_equal(c.curve, keys->curve_public, 32);
    assert_string_equal(c.name, "beta");
    assert_string_equal(c.zone, "attic");
    size_t length = strlen(line);
    for (size_t i = 0; i < length; i++) {
        char kept = line[i];
        line[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(cert_request_read(&c, line, NULL), -1);
        line[i] = kept;
    }
    assert_int_equal(cert_request(line, keys, "be ta", "attic", &err), -1);
    node_keys_destroy(&keys);
    assert_null(keys);
}

static void node_keys_are_kept_privately_and_never_overwritten(void **state)
{
    (void)state;
    struct node_keys *keys = node_keys_new(), *back = NULL;
    struct err err = ERR_INIT;
    struct stat status;
    char path[128];
    snprintf(path, sizeof(path), "%s/node.key", folder);
    assert_int_equal(node_keys_save(keys, path, &err), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, 88);
    assert_int_equal(node_keys_save(keys, path, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(node_keys_load(&back, path, &err), 0);
    assert_memory_equal(back, keys, sizeof(*keys));
    node_keys_destroy(&back);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(node_keys_load(&back, path, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_int_equal(chmod(path, 0600), 0);
    for (off_t at = 0; at < status.st_size; at++) {
        uint8_t byte;
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(node_keys_load(&back, path, &err), -1);
        assert_null(back);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    node_keys_destroy(&keys);
}

static void rotated_keys_are_the_same_node_with_another_curve_key(void **state)
{
    (void)state;
    struct node_keys *keys = node_keys_new(), *rotated = node_keys_rotated(keys);
    struct cert old, new;
    char line[CERT_ARMOR_MAX];
    assert_memory_equal(rotated->node.bytes, keys->node.bytes, sizeof(keys->node));
    assert_memory_equal(rotated->sign_secret, keys->sign_secret, sizeof(keys->sign_secret));
    assert_memory_not_equal(rotated->curve_secret, keys->curve_secret, 32);
    assert_memory_not_equal(rotated->curve_public, keys->curve_public, 32);
    assert_int_equal(cert_request(line, keys, "a", "b", NULL), 0);
    assert_int_equal(cert_request_read(&old, line, NULL), 0);
    assert_int_equal(cert_request(line, rotated, "a", "b", NULL), 0);
    assert_int_equal(cert_request_read(&new, line, NULL), 0);
    assert_memory_equal(new.node.bytes, old.node.bytes, sizeof(old.node));
    assert_memory_equal(new.curve, rotated->curve_public, 32);
    node_keys_destroy(&rotated);
    node_keys_destroy(&keys);
}

static void the_bytes_of_a_node_key_are_settled(void **state)
{
    (void)state;

    struct node_keys *keys = node_keys_new(), *back = NULL;
    uint8_t seed[crypto_sign_SEEDBYTES], bytes[88];
    char path[128], hex[2 * sizeof(bytes) + 1];
    memset(seed, 5, sizeof(seed));
    crypto_sign_seed_keypair(keys->node.bytes, keys->sign_secret, seed);
    memset(keys->curve_secret, 6, sizeof(keys->curve_secret));
    crypto_scalarmult_base(keys->curve_public, keys->curve_secret);
    snprintf(path, sizeof(path), "%s/node.key", folder);
    (void)unlink(path);
    assert_int_equal(node_keys_save(keys, path, NULL), 0);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
    close(fd);
    assert_string_equal(
        hex_encode(hex, bytes, sizeof(bytes)),
        "454e4b59010000000505050505050505050505050505050505050505050505050505050505050505"
        "06060606060606060606060606060606060606060606060606060606060606066be0af091c8f9590"
        "54bdcee95203d5f7");
    assert_int_equal(node_keys_load(&back, path, NULL), 0);
    assert_memory_equal(back, keys, sizeof(*keys));
    node_keys_destroy(&back);
    node_keys_destroy(&keys);
}

static void an_authority_is_made_once_and_loaded(void **state)
{
    (void)state;
    uint8_t made[32], again[32], secret[64];
    struct err err = ERR_INIT;
    struct stat status;
    char dir[128], path[192];
    snprintf(dir, sizeof(dir), "%s/a", folder);
    assert_int_equal(authority_init(dir, made, &err), 0);
    assert_int_equal(authority_init(dir, again, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(authority_load(dir, secret, &err), 0);
    assert_memory_equal(secret + 32, made, 32);
    snprintf(path, sizeof(path), "%s/authority.pub", dir);
    assert_int_equal(authority_public_load(path, again, &err), 0);
    assert_memory_equal(again, made, 32);
    snprintf(path, sizeof(path), "%s/authority.key", dir);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(authority_public_load(path, again, &err), -1);
    assert_int_equal(authority_load("/nowhere/at/all", secret, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_certificate_is_loaded_from_its_file(void **state)
{
    (void)state;
    struct cert c = sample(), back;
    struct err err = ERR_INIT;
    char path[128], line[CERT_ARMOR_MAX];
    snprintf(path, sizeof(path), "%s/line", folder);
    assert_int_equal(cert_armor(line, &c, NULL), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", line);
    fclose(file);
    assert_int_equal(cert_load(&back, path, &err), 0);
    assert_memory_equal(&back, &c, sizeof(c));
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(cert_load(&back, path, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_a_certificate_are_settled),
        cmocka_unit_test(a_certificate_survives_its_armor),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(every_length_but_the_right_one_is_refused),
        cmocka_unit_test(an_unknown_version_is_refused_by_name),
        cmocka_unit_test(another_clusters_certificate_is_foreign),
        cmocka_unit_test(dates_are_checked_with_some_slack_for_clocks),
        cmocka_unit_test(odd_names_and_dates_are_never_signed),
        cmocka_unit_test(a_request_is_signed_by_the_key_it_names),
        cmocka_unit_test(node_keys_are_kept_privately_and_never_overwritten),
        cmocka_unit_test(the_bytes_of_a_node_key_are_settled),
        cmocka_unit_test(rotated_keys_are_the_same_node_with_another_curve_key),
        cmocka_unit_test(an_authority_is_made_once_and_loaded),
        cmocka_unit_test(a_certificate_is_loaded_from_its_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
