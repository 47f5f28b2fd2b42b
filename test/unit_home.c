/* The home folder: vaults come whole or not at all, and no record number is ever lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/home/home.h"
#include "cli/home/home_internal.h"
#include "coding/base/bytes.h"
#include "node/trust/writer_cert.h"
#include "test/remove_tree.h"

static char folder[64];

static int make_home(void **state)
{
    (void)state;
    char home[80];
    snprintf(folder, sizeof(folder), "/tmp/ecbak-unit-home-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(home, sizeof(home), "%s/a/b", folder);
    unsetenv("ECBAK_VAULT");
    return setenv("ECBAK_HOME", home, 1);
}

static int remove_home(void **state)
{
    (void)state;
    return remove_tree(folder);
}

static struct vault *create(const uint8_t *secret)
{
    struct vault *vault = NULL;
    struct err err = ERR_INIT;
    if (vault_create(&vault, secret, NULL, NULL, &err) != 0)
        fail_msg("%s", err.text);
    return vault;
}

static struct vault *load(const char *name)
{
    struct vault *vault = NULL;
    struct err err = ERR_INIT;
    if (vault_load(&vault, name, &err) != 0)
        fail_msg("%s", err.text);
    return vault;
}

static void assert_load_fails(const char *name, enum err_code code)
{
    struct vault *vault = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(vault_load(&vault, name, &err), -1);
    assert_null(vault);
    if (err.code != code)
        fail_msg("%s", err.text);
}

static void a_new_vault_is_there_again_when_loaded(void **state)
{
    (void)state;
    struct vault *made = create(NULL), *loaded = load(NULL);
    struct writer_cert cert;
    struct err err = ERR_INIT;
    assert_memory_equal(made->keys, loaded->keys, sizeof(*made->keys));
    assert_memory_equal(made->writer.bytes, loaded->writer.bytes, WRITER_ID_SIZE);
    assert_memory_equal(made->writer_secret, loaded->writer_secret, 64);
    assert_int_equal(writer_cert_open(&cert, loaded->writer_cert, loaded->writer_cert_size, &err),
                     0);
    assert_memory_equal(cert.vault.bytes, made->keys->vault.bytes, ID_SIZE);
    assert_int_equal(cert.rights, RIGHT_ADD | RIGHT_READ | RIGHT_FORGET | RIGHT_PRUNE);
    vault_close(&made);
    vault_close(&loaded);
    assert_null(made);
}

static int only_for_the_owner(const char *path, const struct stat *status, int flag,
                              struct FTW *ftw)
{
    (void)flag;
    if (ftw->level >= 2 && (status->st_mode & 077) != 0)
        fail_msg("%s has mode %o", path, status->st_mode & 0777);
    return 0;
}

static void everything_is_for_the_owner_alone(void **state)
{
    (void)state;
    mode_t old = umask(0);
    struct vault *vault = create(NULL);
    struct err err = ERR_INIT;
    assert_int_equal(vault_lock(vault, 0, NULL, &err), 0);
    umask(old);
    assert_int_equal(nftw(folder, only_for_the_owner, 16, FTW_PHYS), 0);
    char path[HOME_PATH_MAX], dir[HOME_PATH_MAX];
    assert_int_equal(home_join(path, vault->dir, "vault.key", &err), 0);
    memcpy(dir, vault->dir, sizeof(dir));
    vault_close(&vault);
    assert_int_equal(chmod(path, 0640), 0);
    assert_load_fails(NULL, ERR_DENIED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(dir, 0750), 0);
    assert_load_fails(NULL, ERR_DENIED);
}

static void opening_with_the_secret_makes_another_writer(void **state)
{
    (void)state;
    uint8_t secret[VAULT_SECRET_SIZE];
    struct writer_id writer;
    struct vault *vault = create(NULL);
    struct err err = ERR_INIT;
    memcpy(secret, vault->keys->secret, sizeof(secret));
    writer = vault->writer;
    struct vault *again = NULL;
    assert_int_equal(vault_create(&again, secret, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_null(again);
    vault_close(&vault);
    remove_home(NULL); /* a blank machine */
    make_home(NULL);
    vault = create(secret);
    assert_memory_equal(vault->keys->secret, secret, sizeof(secret));
    assert_memory_not_equal(vault->writer.bytes, writer.bytes, sizeof(writer));
    vault_close(&vault);
}

static void one_of_several_vaults_is_named_by_its_beginning(void **state)
{
    (void)state;
    char id[2 * ID_SIZE + 1], prefix[6];
    assert_load_fails(NULL, ERR_NOT_FOUND);
    struct vault *one = create(NULL), *two = create(NULL), *found;
    assert_load_fails(NULL, ERR_USAGE);
    assert_load_fails("zz", ERR_NOT_FOUND);
    hex_encode(id, two->keys->vault.bytes, ID_SIZE);
    memcpy(prefix, id, 5);
    prefix[5] = '\0';
    found = load(prefix);
    assert_memory_equal(found->keys->vault.bytes, two->keys->vault.bytes, ID_SIZE);
    vault_close(&found);
    setenv("ECBAK_VAULT", id, 1);
    found = load(NULL);
    assert_memory_equal(found->keys->vault.bytes, two->keys->vault.bytes, ID_SIZE);
    vault_close(&found);
    id[63] = id[63] == '0' ? '1' : '0';
    assert_load_fails(id, ERR_NOT_FOUND);
    unsetenv("ECBAK_VAULT");
    vault_close(&one);
    vault_close(&two);
}

static void a_second_store_is_told_to_wait(void **state)
{
    (void)state;
    struct vault *one = create(NULL), *two = load(NULL);
    struct err err = ERR_INIT;
    assert_int_equal(vault_lock(one, 0, NULL, &err), 0);
    assert_int_equal(vault_lock(one, 0, NULL, &err), 0);
    assert_int_equal(vault_lock(two, 0, NULL, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    vault_close(&one);
    assert_int_equal(vault_lock(two, 0, NULL, &err), 0);
    vault_close(&two);
}

static void no_record_number_is_given_twice(void **state)
{
    (void)state;
    static const struct record_id zeros = {0}, hash_one = {"hash one"};
    struct reserved reserved = {.number = 0};
    struct attempt_id begun[3];
    uint8_t *bytes = NULL;
    uint64_t number = 0;
    size_t size;
    struct err err = ERR_INIT;
    struct vault *vault = create(NULL);
    assert_int_equal(vault_reserve(vault, &reserved, &err), -1); /* not locked */
    assert_int_equal(vault_lock(vault, 0, NULL, &err), 0);
    assert_int_equal(vault_last_record(vault, &number, &bytes, &size, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    for (uint64_t i = 1; i <= 2; i++) { /* each store is killed before its record */
        assert_int_equal(vault_reserve(vault, &reserved, &err), 0);
        assert_true(reserved.number == i && reserved.previous_number == 0);
        assert_memory_equal(reserved.previous.bytes, zeros.bytes, ID_SIZE);
        assert_int_equal(reserved.void_count, i - 1);
        begun[i - 1] = reserved.attempt;
        vault_close(&vault);
        vault = load(NULL);
        assert_int_equal(vault_lock(vault, 0, NULL, &err), 0);
    }
    assert_int_equal(vault_reserve(vault, &reserved, &err), 0);
    assert_true(reserved.number == 3);
    /* What the killed ones pinned is void, and said to be by the next record. */
    assert_int_equal(reserved.void_count, 2);
    assert_memory_equal(reserved.voids, begun, 2 * sizeof(begun[0]));
    assert_memory_not_equal(begun[0].bytes, begun[1].bytes, ATTEMPT_SIZE);
    for (uint64_t other = 1; other <= 4; other++) {
        int saved =
            vault_save_record(vault, other, (const uint8_t *)"record one", 10, &hash_one, &err);
        assert_int_equal(saved, other == 3 ? 0 : -1);
    }
    assert_int_equal(
        vault_save_record(vault, 3, (const uint8_t *)"record uno", 10, &hash_one, &err), -1);
    vault_close(&vault);
    vault = load(NULL);
    assert_int_equal(vault_last_record(vault, &number, &bytes, &size, &err), 0);
    assert_true(number == 3 && size == 10 && memcmp(bytes, "record one", 10) == 0);
    free(bytes);
    assert_int_equal(vault_lock(vault, 0, NULL, &err), 0);
    assert_int_equal(vault_reserve(vault, &reserved, &err), 0);
    assert_true(reserved.number == 4 && reserved.previous_number == 3);
    assert_memory_equal(reserved.previous.bytes, hash_one.bytes, ID_SIZE);
    assert_int_equal(reserved.void_count, 0); /* its record said so */
    vault_close(&vault);
}

static void a_folder_that_was_set_back_goes_on_from_the_newest_record(void **state)
{
    (void)state;
    static const struct record_id newest = {"hash of seven"};
    struct reserved reserved = {.number = 0};
    uint8_t *bytes = NULL;
    uint64_t number = 0;
    size_t size;
    bool was_behind = false;
    struct err err = ERR_INIT;
    struct vault *vault = create(NULL);
    assert_int_equal(vault_lock(vault, 0, NULL, &err), 0);
    /* The machine whose folder this is a copy of may be storing under this number, at this moment. */
    assert_int_equal(vault_reserve(vault, &reserved, &err), 0);
    for (int i = 0; i < 2; i++) { /* it is said once */
        assert_int_equal(vault_catch_up(vault, 7, (const uint8_t *)"record seven", 12, &newest,
                                        &was_behind, &err),
                         0);
        assert_int_equal(was_behind, i == 0);
    }
    assert_int_equal(vault_last_record(vault, &number, &bytes, &size, &err), 0);
    assert_true(number == 7 && size == 12 && memcmp(bytes, "record seven", 12) == 0);
    free(bytes);
    assert_int_equal(vault_reserve(vault, &reserved, &err), 0);
    number = reserved.number;
    assert_true(number > 7 + 100); /* stores that were given up after it have used some */
    assert_memory_equal(reserved.previous.bytes, newest.bytes, ID_SIZE);
    assert_true(reserved.previous_number == 7);
    assert_int_equal(reserved.void_count, 0); /* so it is not said to be given up */
    vault_close(&vault);
}

/* Changes one byte of a file of the vault; false when there is none at that place. */
static bool flip(const struct vault *vault, const char *name, long at)
{
    char path[HOME_PATH_MAX];
    struct err err = ERR_INIT;
    assert_int_equal(home_join(path, vault->dir, name, &err), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_true(fd >= 0);
    bool there = pread(fd, &byte, 1, at) == 1;
    byte ^= 0x20;
    if (there)
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    return there;
}

static void every_flipped_byte_of_a_key_file_is_an_error(void **state)
{
    (void)state;
    static const char *const names[] = {"vault.key", "writer.key", "sequence"};
    struct vault *vault = create(NULL);
    struct err err = ERR_INIT;
    assert_int_equal(vault_lock(vault, 0, NULL, &err), 0);
    for (size_t i = 0; i < 3; i++)
        for (long at = 0; flip(vault, names[i], at); at++) {
            struct vault *damaged = NULL;
            struct reserved reserved;
            if (i < 2)
                assert_int_equal(vault_load(&damaged, NULL, &err), -1);
            else
                assert_int_equal(vault_reserve(vault, &reserved, &err), -1);
            assert_true(err.code == ERR_FORMAT || err.code == ERR_VERSION ||
                        err.code == ERR_DAMAGED);
            flip(vault, names[i], at);
        }
    vault_close(&vault);
    vault = load(NULL);
    vault_close(&vault);
}

static void files_of_another_vault_are_refused(void **state)
{
    (void)state;
    char from[HOME_PATH_MAX], to[HOME_PATH_MAX], id[2 * ID_SIZE + 1];
    struct err err = ERR_INIT;
    struct vault *one = create(NULL), *two = create(NULL);
    hex_encode(id, two->keys->vault.bytes, ID_SIZE);
    assert_int_equal(home_join(from, one->dir, "writer.key", &err), 0);
    assert_int_equal(home_join(to, two->dir, "writer.key", &err), 0);
    assert_int_equal(rename(from, to), 0);
    assert_load_fails(id, ERR_DAMAGED);
    assert_int_equal(home_join(from, one->dir, "vault.key", &err), 0);
    assert_int_equal(home_join(to, two->dir, "vault.key", &err), 0);
    assert_int_equal(rename(from, to), 0);
    assert_load_fails(id, ERR_FOREIGN);
    vault_close(&one);
    vault_close(&two);
}

static void a_writer_without_its_certificate_is_refused(void **state)
{
    (void)state;
    struct vault *vault = create(NULL);
    struct err err = ERR_INIT;
    vault->writer.bytes[0] ^= 1; /* not the writer whom the certificate names */
    assert_int_equal(writer_key_write(vault->dir, vault, &err), 0);
    assert_load_fails(NULL, ERR_DAMAGED);
    vault->writer.bytes[0] ^= 1;
    assert_int_equal(writer_key_write(vault->dir, vault, &err), 0);
    struct vault *again = load(NULL);
    vault_close(&again);
    crypto_sign_keypair(vault->keys->sign_public, vault->writer_secret); /* nor its key */
    assert_int_equal(writer_key_write(vault->dir, vault, &err), 0);
    assert_load_fails(NULL, ERR_DAMAGED);
    vault_close(&vault);
}

static void half_a_vault_is_no_vault(void **state)
{
    (void)state;
    struct vault *vault = create(NULL);
    char path[HOME_PATH_MAX], home[HOME_PATH_MAX];
    struct err err = ERR_INIT;
    assert_int_equal(home_path(home, &err), 0);
    assert_int_equal(home_join(path, home, ".new-killed", &err), 0);
    assert_int_equal(rename(vault->dir, path), 0);
    vault_close(&vault);
    assert_load_fails(NULL, ERR_NOT_FOUND);
    size_t others = 0; /* and a failed creation leaves nothing */
    DIR *dir = opendir(home);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        others += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(dir);
    assert_int_equal(others, 1);
}

static void the_home_follows_the_environment(void **state)
{
    (void)state;
    char path[HOME_PATH_MAX], long_path[HOME_PATH_MAX + 10];
    struct err err = ERR_INIT;
    setenv("ECBAK_HOME", "/x", 1);
    assert_int_equal(home_path(path, &err), 0);
    assert_string_equal(path, "/x");
    memset(long_path, 'l', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    setenv("ECBAK_HOME", long_path, 1);
    assert_int_equal(home_path(path, &err), -1);
    unsetenv("ECBAK_HOME");
    setenv("XDG_DATA_HOME", "/data", 1);
    assert_int_equal(home_path(path, &err), 0);
    assert_string_equal(path, "/data/ecbak");
    setenv("XDG_DATA_HOME", "relative", 1);
    setenv("HOME", "/home/ada", 1);
    assert_int_equal(home_path(path, &err), 0);
    assert_string_equal(path, "/home/ada/.local/share/ecbak");
    unsetenv("XDG_DATA_HOME");
    unsetenv("HOME");
    assert_int_equal(home_path(path, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_home, remove_home)

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(a_new_vault_is_there_again_when_loaded),
        TEST(everything_is_for_the_owner_alone),
        TEST(opening_with_the_secret_makes_another_writer),
        TEST(one_of_several_vaults_is_named_by_its_beginning),
        TEST(a_second_store_is_told_to_wait),
        TEST(no_record_number_is_given_twice),
        TEST(a_folder_that_was_set_back_goes_on_from_the_newest_record),
        TEST(every_flipped_byte_of_a_key_file_is_an_error),
        TEST(files_of_another_vault_are_refused),
        TEST(a_writer_without_its_certificate_is_refused),
        TEST(half_a_vault_is_no_vault),
        TEST(the_home_follows_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
