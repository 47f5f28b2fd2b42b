/* What the vault's steps cost on one core: cutting, naming, compressing, sealing, opening, and the
 * cache. In processor time, since other work on the machine says nothing about ours. Data in memory;
 * real files are those of /usr/include. */
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/home/cache.h"
#include "cli/vault/pack.h"
#include "coding/base/alloc.h"
#include "test/bench_base.h"
#include "test/remove_tree.h"

#define DATA_MAX    (128u * 1024 * 1024)
#define FILES_MAX   100000
#define CACHE_ROWS  1000000u
#define PACK_CHUNKS 1000u

static uint8_t *data;
static size_t data_size, file_ends[FILES_MAX], file_count;

static void report(const char *what, double bytes, double seconds)
{
    printf("  %-44s %6.2f GB/s\n", what, bytes / seconds / 1e9);
}

static int take_file(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)ftw;
    if (flag != FTW_F || file_count == FILES_MAX ||
        (size_t)status->st_size > DATA_MAX - data_size || status->st_size == 0)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, data + data_size, (size_t)status->st_size) : -1;
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return 0;
    data_size += (size_t)got;
    file_ends[file_count++] = data_size;
    return 0;
}

static void take_noise(size_t size)
{
    randombytes_buf(data, size);
    data_size = size;
    file_count = 1;
    file_ends[0] = size;
}

static void bench_cut(const struct vault_keys *keys)
{
    struct chunker chunker;
    size_t chunks = 0;
    chunker_init(&chunker, keys->gear_key);
    double start = now();
    for (size_t at = 0; at < data_size; chunks++)
        at += chunker_cut(&chunker, data + at, data_size - at);
    report("cut", (double)data_size, now() - start);
    struct chunk_id id;
    start = now();
    for (size_t at = 0; at < data_size; at += CHUNK_BYTES_AVG)
        chunk_id(&id, keys->chunk_id_key, data + at,
                 data_size - at < CHUNK_BYTES_AVG ? data_size - at : CHUNK_BYTES_AVG);
    report("chunk ids", (double)data_size, now() - start);
}

struct totals {
    double compress, seal, finish, open, read;
    size_t bytes, packs;
};

static void finish_pack(struct pack_writer **writer, const struct vault_keys *keys,
                        struct totals *totals)
{
    uint8_t *plain;
    struct sealed_pack made;
    struct pack_reader *reader;
    struct err err = ERR_INIT;
    size_t plain_size;
    double start = now();
    pack_writer_finish(writer, &made);
    totals->finish += now() - start;
    totals->bytes += made.size;
    totals->packs++;
    start = now();
    must(pack_open(&reader, &made.bytes, made.size, keys, &err), &err);
    totals->open += now() - start;
    start = now();
    for (size_t i = 0; i < made.entry_count; i++)
        if (i == 0 || made.entries[i].segment != made.entries[i - 1].segment) {
            must(pack_read_segment(reader, made.entries[i].segment, &plain, &plain_size, &err),
                 &err);
            free(plain);
        }
    totals->read += now() - start;
    pack_reader_destroy(&reader);
    sealed_pack_release(&made);
}

static void flush(struct segment *segment, struct pack_writer **writer,
                  const struct vault_keys *keys, struct totals *totals)
{
    struct err err = ERR_INIT;
    double start = now();
    must(segment_compress(segment, &err), &err);
    totals->compress += now() - start;
    if (*writer != NULL && !pack_writer_has_room(*writer, segment))
        finish_pack(writer, keys, totals);
    start = now();
    if (*writer == NULL)
        must(pack_writer_new(writer, PACK_DATA, PACK_BYTES, keys, &err), &err);
    must(pack_writer_add(*writer, segment, &err), &err);
    totals->seal += now() - start;
    segment_reset(segment);
}

static void bench_pack(const struct vault_keys *keys, int level)
{
    static const struct chunk_id id;
    struct segment *segment = segment_new(level);
    struct pack_writer *writer = NULL;
    struct totals t = {0};
    struct chunker chunker;
    chunker_init(&chunker, keys->gear_key);
    size_t at = 0;
    double start = now();
    for (size_t file = 0; file < file_count; file++)
        while (at < file_ends[file]) {
            size_t size = chunker_cut(&chunker, data + at, file_ends[file] - at);
            if (!segment_has_room(segment, size))
                flush(segment, &writer, keys, &t);
            segment_add(segment, &id, CHUNK_DATA, data + at, size);
            at += size;
        }
    flush(segment, &writer, keys, &t);
    finish_pack(&writer, keys, &t);
    double all = now() - start, bytes = (double)data_size;
    char what[64];
    snprintf(what, sizeof(what), "zstd %d: cut, compress, seal, pack id", level);
    report(what, bytes, all - t.open - t.read);
    report("  compress", bytes, t.compress);
    report("  seal (of what is left)", (double)t.bytes, t.seal);
    report("  directory, padding and pack id", (double)t.bytes, t.finish);
    report("  open, decompress", bytes, t.open + t.read);
    printf("  %zu packs, %.1f %% of the size\n", t.packs, 100 * (double)t.bytes / bytes);
    segment_destroy(&segment);
}

static void number_id(uint8_t id[32], uint32_t number)
{
    uint8_t seed[4];
    memcpy(seed, &number, sizeof(seed));
    crypto_generichash(id, 32, seed, sizeof(seed), NULL, 0);
}

static void bench_cache(void)
{
    char folder[] = "/tmp/ecbak-bench-cache-XXXXXX";
    struct cache *cache;
    struct err err = ERR_INIT;
    struct pack_entry *entries = alloc_zero(CACHE_ROWS, sizeof(*entries));
    if (mkdtemp(folder) == NULL)
        exit(1);
    for (uint32_t i = 0; i < CACHE_ROWS; i++) {
        number_id(entries[i].id.bytes, i);
        entries[i].kind = CHUNK_DATA;
        entries[i].segment = i % PACK_CHUNKS / 32;
        entries[i].offset = i % PACK_CHUNKS % 32 * 1000;
        entries[i].size = 1000;
    }
    must(cache_open(&cache, folder, &err), &err);
    for (uint32_t rows = 100000; rows <= CACHE_ROWS; rows *= 10) {
        double start = now();
        must(cache_begin(cache, &err), &err);
        for (uint32_t i = rows == 100000 ? 0 : 100000; i < rows; i += PACK_CHUNKS) {
            struct pack_id pack;
            number_id(pack.bytes, i + CACHE_ROWS);
            must(cache_add_pack(cache, &pack, entries + i, PACK_CHUNKS, false, NULL, &err), &err);
        }
        must(cache_commit(cache, &err), &err);
        must(cache_begin(cache, &err), &err); /* as a store does: no lock for each lookup */
        double added = now() - start;
        struct chunk_location place;
        struct chunk_id absent = {{1}};
        start = now();
        for (uint32_t i = 0; i < 100000; i++)
            must(cache_find(cache, &entries[i * 7919u % rows].id, &place, &err), &err);
        double found = now() - start;
        start = now();
        for (uint32_t i = 0; i < 100000; i++) {
            memcpy(absent.bytes + 4, &i, sizeof(i));
            if (cache_find(cache, &absent, &place, NULL) == 0)
                exit(1);
        }
        double missed = now() - start;
        must(cache_commit(cache, &err), &err);
        printf("  %7u chunks: added %.0f k/s, found %.0f k/s, missed %.0f k/s\n", rows,
               (rows == 100000 ? rows : rows - 100000) / added / 1e3, 100 / found, 100 / missed);
    }
    cache_close(&cache);
    free(entries);
    remove_tree(folder);
}

int main(void)
{
    struct vault_keys *keys;
    struct err err = ERR_INIT;
    must(vault_keys_new(&keys, NULL, &err), &err);
    data = alloc_zero(DATA_MAX, 1);
    nftw("/usr/include", take_file, 32, FTW_PHYS);
    printf("vault: %zu files of /usr/include, %.1f MB, one core\n", file_count,
           (double)data_size / 1e6);
    bench_cut(keys);
    bench_pack(keys, 3);
    bench_pack(keys, 1);
    take_noise(DATA_MAX);
    printf("vault: noise, %.1f MB\n", (double)data_size / 1e6);
    bench_cut(keys);
    bench_pack(keys, 3);
    free(data);
    printf("vault: cache\n");
    bench_cache();
    vault_keys_destroy(&keys);
    return 0;
}
