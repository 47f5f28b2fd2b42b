/* vault_bench.h - a vault, a folder that is stored and one that it is recovered to, before a stand-in
 * for the cluster (fake_node.h): the engines run whole, with their threads.
 */
#ifndef ECBAK_TEST_VAULT_BENCH_H
#define ECBAK_TEST_VAULT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recover/recover.h"
#include "cli/remote/snapshots.h"
#include "cli/store/store_run.h"
#include "test/fake_node.h"
#include "test/remove_tree.h"

#define PATH_TEMPLATE "/tmp/ecbak-vault-XXXXXX"

static char base[sizeof(PATH_TEMPLATE)];
static char *source, *target; /* what is stored, where it is recovered to */
static char *caches;          /* the folder of the vault's caches is in it */
static struct vault *vault;
static uint8_t secret[32]; /* the vault's: where files are cut into chunks follows from it */
static unsigned problems;
static char problem_path[4096];
static char problem_text[ERR_TEXT_MAX];
static unsigned notices;
static char notice[1024];

static inline void on_problem(void *ctx, const char *path, const struct err *err)
{
    (void)ctx;
    problems++;
    snprintf(problem_text, sizeof(problem_text), "%s", err->text);
    snprintf(problem_path, sizeof(problem_path), "%s", path);
}

static inline void on_notice(void *ctx, const char *text)
{
    (void)ctx;
    notices++;
    snprintf(notice, sizeof(notice), "%s", text);
}

static const struct job_report report = {.problem = on_problem, .notice = on_notice};

static inline int set_up_all(void **state)
{
    (void)state;
    const char *again = getenv("ECBAK_TEST_SEED");
    uint8_t key[randombytes_SEEDBYTES] = {0};
    if (sodium_init() < 0)
        return -1;
    uint32_t seed = again != NULL ? (uint32_t)strtoul(again, NULL, 10) : randombytes_random();
    memcpy(key, &seed, sizeof(seed));
    randombytes_buf_deterministic(secret, sizeof(secret), key);
    printf("ECBAK_TEST_SEED=%u cuts files as in this run\n", seed);
    return 0;
}

static inline int set_up(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    memcpy(base, PATH_TEMPLATE, sizeof(PATH_TEMPLATE));
    if (mkdtemp(base) == NULL)
        return -1;
    char *home = alloc_format("%s/home", base);
    setenv("ECBAK_HOME", home, 1);
    free(home);
    caches = alloc_format("%s/caches", base);
    setenv("ECBAK_CACHE", caches, 1);
    notices = 0;
    source = alloc_format("%s/source", base);
    target = alloc_format("%s/target", base);
    problems = 0;
    return mkdir(source, 0755) == 0 ? vault_create(&vault, secret, NULL, NULL, &err) : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    vault_close(&vault);
    fake_reset();
    free(source);
    free(target);
    free(caches);
    return remove_tree(base);
}

/* `size` bytes that nothing compresses, a function of the seed. */
static inline void make_file(const char *name, size_t size, uint8_t seed)
{
    uint8_t key[randombytes_SEEDBYTES];
    uint8_t *bytes = alloc_zero(size + 1, 1);
    char *path = alloc_format("%s/%s", source, name);
    memset(key, seed, sizeof(key));
    randombytes_buf_deterministic(bytes, size, key);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(path);
    free(bytes);
}

static inline void make_folder(const char *name)
{
    char *path = alloc_format("%s/%s", source, name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

/* A store relies on times only once they are older than the clock's grain (TIMES_SLACK_S): this is
 * longer, always. */
static inline void let_times_settle(void)
{
    usleep(150 * 1000);
}

/* k and m as on the command line; zeros: by the size of the cluster. */
static uint32_t code[2];

static inline int store(struct store_result *result, struct err *err)
{
    const char *const paths[] = {source};
    struct store_options options = {.paths = paths, .path_count = 1, .threads = 2};
    options.data = code[0];
    options.parity = code[1];
    struct job_progress progress = {0};
    return store_run(vault, &options, &progress, &report, result, err);
}

static inline void store_well(struct store_result *result)
{
    struct err err = ERR_INIT;
    if (store(result, &err) != 0)
        fail_msg("store: %s", err.text);
}

/* A new process has no lock and remembers only what is in files. */
static inline void restart(void)
{
    struct err err = ERR_INIT;
    vault_close(&vault);
    assert_int_equal(vault_load(&vault, NULL, &err), 0);
}

static inline void forget_cache(void)
{
    assert_int_equal(remove_tree(caches), 0);
}

static inline int recover(const char *name, const struct recover_options *options,
                          struct recover_result *result, struct err *err)
{
    struct client *client;
    struct snapshot_list list;
    const struct snapshot *snapshot;
    struct job_progress progress = {0};
    *result = (struct recover_result){0};
    assert_int_equal(client_open(&client, NULL, err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, err), 0);
    int status = snapshot_select(&snapshot, &list, name, NULL, err);
    struct recover_options own = *options;
    own.list = &list;
    own.snapshot = snapshot;
    if (status == 0)
        status = recover_run(vault, &own, &progress, &report, result, err);
    snapshot_list_release(&list);
    client_close(&client);
    return status;
}

static inline void assert_same_file(const char *name)
{
    char *left = alloc_format("%s/%s", source, name);
    char *right = alloc_format("%s%s/%s", target, source, name);
    FILE *a = fopen(left, "rb"), *b = fopen(right, "rb");
    assert_non_null(a);
    assert_non_null(b);
    int x, y;
    do {
        x = fgetc(a);
        y = fgetc(b);
        assert_int_equal(x, y);
    } while (x != EOF);
    fclose(a);
    fclose(b);
    struct stat s, t;
    assert_int_equal(stat(left, &s), 0);
    assert_int_equal(stat(right, &t), 0);
    assert_int_equal(s.st_mode, t.st_mode);
    assert_int_equal(s.st_mtim.tv_sec, t.st_mtim.tv_sec);
    assert_int_equal(s.st_mtim.tv_nsec, t.st_mtim.tv_nsec);
    free(left);
    free(right);
}

static inline void recover_well(const char *name, struct recover_result *result)
{
    struct err err = ERR_INIT;
    const struct recover_options options = {.to = target, .verify = true};
    if (recover(name, &options, result, &err) != 0)
        fail_msg("recover: %s", err.text);
    assert_int_equal(result->outcome, JOB_DONE);
}

#endif
