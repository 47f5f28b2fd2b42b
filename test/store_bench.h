/* store_bench.h - one store on real files: a directory of its own for each test, and what the tests
 * ask of it.
 */
#ifndef ECBAK_TEST_STORE_BENCH_H
#define ECBAK_TEST_STORE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/store/store_internal.h"
#include "test/remove_tree.h"
#include "test/store_sample.h"

#define MIB (1024 * 1024ull)

static char base[64], dir[96];
static struct sample small; /* 2 + 2 of 200000 bytes */

static int files;

static inline int count_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)path, (void)status, (void)walk;
    files += kind == FTW_F;
    return 0;
}

/* How many files are below this folder of the store. */
static inline int count_files(const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    files = 0;
    (void)nftw(path, count_one, 16, FTW_PHYS);
    return files;
}

static inline int set_up_all(void **state)
{
    (void)state;
    sample_set_up();
    sample_init(&small, 1, 200000, 2, 2);
    snprintf(base, sizeof(base), "/tmp/ecbak-store-XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    snprintf(dir, sizeof(dir), "%s/data", base);
    return 0;
}

static inline int tear_down_all(void **state)
{
    (void)state;
    sample_release(&small);
    sample_tear_down();
    remove_tree(base);
    return 0;
}

static inline int set_up(void **state)
{
    (void)state;
    return store_create(dir, &sample_node, NULL);
}

static inline int tear_down(void **state)
{
    (void)state;
    remove_tree(dir);
    return 0;
}

/* percent: what one sponsor's records and pins may take. */
static inline struct store_terms terms_with(uint64_t capacity, uint32_t percent)
{
    struct store_terms terms = {
        .node = sample_node, .capacity_bytes = capacity, .sponsor_percent = percent};
    memcpy(terms.authority_public, sample_authority, sizeof(terms.authority_public));
    return terms;
}

static inline struct store *open_with_share(uint64_t capacity, uint32_t percent)
{
    struct store *store = NULL;
    struct err err = ERR_INIT;
    struct store_terms terms = terms_with(capacity, percent);
    if (store_open(&store, dir, &terms, &err) != 0)
        fail_msg("store_open: %s", err.text);
    return store;
}

static inline struct store *open_with(uint64_t capacity)
{
    return open_with_share(capacity, 50);
}

static inline void put(struct store *store, const struct sample *s, unsigned index)
{
    struct err err = ERR_INIT;
    if (sample_put(store, s, index, &err) != 0)
        fail_msg("put: %s", err.text);
}

static inline void expect_fragment(struct store *store, const struct sample *s, unsigned index)
{
    struct err err = ERR_INIT;
    uint8_t *bytes;
    size_t size;
    const struct fragment_key key = sample_key(s, index);
    if (store_get_fragment(store, &key, &bytes, &size, &err) != 0)
        fail_msg("get: %s", err.text);
    assert_int_equal(size, s->set.size);
    assert_memory_equal(bytes, s->set.bytes[index], size);
    free(bytes);
}

static inline void expect_no_fragment(struct store *store, const struct sample *s, unsigned index,
                                      enum err_code code)
{
    struct err err = ERR_INIT;
    uint8_t *bytes;
    size_t size;
    const struct fragment_key key = sample_key(s, index);
    assert_int_equal(store_get_fragment(store, &key, &bytes, &size, &err), -1);
    assert_int_equal(err.code, code);
}

static inline uint64_t fragments_of(struct store *store)
{
    uint64_t used, fragments, records;
    store_usage(store, &used, &fragments, &records);
    return fragments;
}

static inline uint64_t used_of(struct store *store)
{
    uint64_t used, fragments, records;
    store_usage(store, &used, &fragments, &records);
    return used;
}

static inline uint64_t pinned(struct store *store, const struct sample *s)
{
    uint64_t number;
    assert_int_equal(catalogue_pinned(store->catalogue, &s->set.object.pack_id, &s->pin.vault,
                                      &s->pin.writer, &number, NULL),
                     0);
    return number;
}

static inline void path_of(char path[DURABLE_PATH_MAX], const struct sample *s, unsigned index)
{
    struct store where = {0};
    snprintf(where.dir, sizeof(where.dir), "%s", dir);
    const struct fragment_key key = sample_key(s, index);
    store_fragment_path(&where, path, &key);
}

static inline void flip_byte(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

#endif
