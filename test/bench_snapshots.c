/* What it takes to know a vault with very many snapshots: its records, and the index that they rely
 * on. On a machine that has seen them before, and on one that knows nothing. With the number of
 * snapshots as argument; exits 1 when it takes too long. The cluster is a stand-in that answers at
 * once, so what is measured is what the command itself does. */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/packing/index_merge.h"
#include "cli/remote/index_packs.h"
#include "cli/remote/snapshots.h"
#include "cli/vault/index.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"
#include "test/bench_base.h"
#include "test/fake_node.h"
#include "test/remove_tree.h"

#define SNAPSHOTS   10000
#define ENTRIES     6 /* chunks that a small change makes: the file, and the folders above it */
#define KNOWN_S_MAX 2.0
#define BLANK_S_MAX 20.0
#define MEMORY_KEPT (256 * 1024 * 1024)
#define TEMPLATE    "/tmp/ecbak-snapshots-XXXXXX"

static struct vault *vault;
static struct cache *cache;
static struct client *client;
static struct id_list relied;
static struct record_id previous;

/* What one small store leaves: a data pack that the cache knows and no index does. */
static void add_data(void)
{
    struct err err = ERR_INIT;
    struct pack_entry entries[ENTRIES] = {0};
    struct pack_id pack;
    randombytes_buf(pack.bytes, ID_SIZE);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        randombytes_buf(entries[i].id.bytes, ID_SIZE);
        entries[i].kind = i == 0 ? CHUNK_DATA : CHUNK_TREE;
        entries[i].offset = i * 300;
        entries[i].size = 300;
    }
    must(cache_add_pack(cache, &pack, entries, ENTRIES, false, NULL, &err), &err);
}

static int append(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                  size_t count, struct err *err)
{
    (void)err;
    index_append(ctx, pack, entries, count);
    return 0;
}

/* The index pack of what is unpublished and replaced. */
static void add_index(const struct id_list *replaced, struct id_list *added)
{
    struct err err = ERR_INIT;
    struct buffer index = {0};
    struct chunk_id id;
    struct pack_writer *writer;
    struct sealed_pack made;
    struct segment *segment = segment_new(3);
    must(index_merge_each(cache, replaced, append, &index, &err), &err);
    must(cache_each_unpublished(cache, append, &index, &err), &err);
    chunk_id(&id, vault->keys->chunk_id_key, index.bytes, index.size);
    segment_add(segment, &id, CHUNK_INDEX, index.bytes, index.size);
    must(segment_compress(segment, &err), &err);
    must(pack_writer_new(&writer, PACK_INDEX, PACK_BYTES, vault->keys, &err), &err);
    must(pack_writer_add(writer, segment, &err), &err);
    pack_writer_finish(&writer, &made);
    id_list_add(added, &made.id);
    fake_add(&made.id, &made.bytes, made.size);
    segment_destroy(&segment);
    sealed_pack_release(&made);
    buffer_release(&index);
}

static void add_record(uint64_t number, const struct id_list *added, const struct id_list *replaced,
                       const struct id_list *still)
{
    static char host[] = "bench", path[] = "/home/ann/work";
    static char *paths[] = {path};
    struct err err = ERR_INIT;
    struct node_status status;
    struct chunk_id root = {{0}};
    uint8_t *bytes;
    size_t size;
    struct record_kept kept;
    struct snapshot snapshot = {.writer = vault->writer,
                                .number = number,
                                .time_s = (int64_t)number,
                                .host = host,
                                .user = host,
                                .paths = paths,
                                .path_count = 1,
                                .root = &root,
                                .root_count = 1,
                                .index_packs = added->ids,
                                .index_pack_count = added->count,
                                .replaced = replaced->ids,
                                .replaced_count = replaced->count};
    struct record record = {.number = number,
                            .kind = RECORD_SNAPSHOT,
                            .previous = previous,
                            .previous_number = number - 1,
                            .index_packs = still->ids,
                            .index_pack_count = still->count};
    must(client_status(client, &status, &err), &err);
    record.cluster = status.cluster;
    record.vault = vault->keys->vault;
    record.writer = vault->writer;
    must(snapshot_seal(&snapshot, vault->keys, &record.sealed, &record.sealed_size, &err), &err);
    must(record_seal(
             &record,
             &(struct signer){vault->writer_secret, vault->writer_cert, vault->writer_cert_size},
             &bytes, &size, &previous, &err),
         &err);
    must(client_put_record(client, bytes, size, 0, &kept, &err), &err);
    free(record.sealed);
    free(bytes);
}

static void add_snapshot(uint64_t number)
{
    struct err err = ERR_INIT;
    struct id_list added = {0}, replaced = {0}, still = {0};
    uint32_t index;
    add_data();
    must(index_merge_choose(cache, &relied, &replaced, &err), &err);
    add_index(&replaced, &added);
    for (size_t i = 0; i < relied.count; i++) {
        if (!id_map_find(&replaced.seen, relied.ids[i].bytes, &index))
            id_list_add(&still, &relied.ids[i]);
    }
    id_list_add(&still, &added.ids[0]);
    add_record(number, &added, &replaced, &still);
    must(cache_begin(cache, &err), &err);
    must(index_merge_remember(cache, &added, &replaced, &err), &err);
    must(cache_set_published(cache, &err), &err);
    must(cache_commit(cache, &err), &err);
    id_list_release(&relied);
    relied = still;
    id_list_release(&added);
    id_list_release(&replaced);
}

/* Processor seconds to read the records and what of their index is new. */
static double load(const char *who)
{
    struct err err = ERR_INIT;
    struct snapshot_list list;
    struct id_list packs = {0};
    uint64_t gets = fake.gets;
    double begin = now();
    must(snapshot_list_load(&list, vault, client, &err), &err);
    double records = now() - begin;
    must(index_packs_load(cache, vault->keys, client, &list, NULL, &err), &err);
    double all = now() - begin;
    index_packs_of(&list, cache, &packs);
    printf("  %-38s %6.2f s (records %.2f s), %llu index packs fetched of %zu\n", who, all, records,
           (unsigned long long)(fake.gets - gets), packs.count);
    id_list_release(&packs);
    snapshot_list_release(&list);
    return all;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char base[] = TEMPLATE;
    uint8_t secret[32] = {7};
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : SNAPSHOTS;
    if (sodium_init() < 0 || mkdtemp(base) == NULL)
        return 1;
    char *home = alloc_format("%s/home", base);
    setenv("ECBAK_HOME", home, 1);
    free(home);
    char caches[HOME_PATH_MAX];
    /* Packs are made in the same memory again, not in fresh pages each time. */
    mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT);
    mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
    must(vault_create(&vault, secret, NULL, NULL, &err), &err);
    must(home_caches(caches, vault, &err), &err);
    must(cache_open(&cache, caches, &err), &err);
    must(client_open(&client, NULL, &err), &err);
    for (uint64_t number = 1; number <= count; number++)
        add_snapshot(number);
    printf("A vault with %llu snapshots:\n", (unsigned long long)count);
    double known = load("a machine that knows it");
    must(cache_renew(&cache, &err), &err);
    double blank = load("a blank machine");
    cache_close(&cache);
    client_close(&client);
    vault_close(&vault);
    id_list_release(&relied);
    fake_reset();
    (void)remove_tree(base);
    return known > KNOWN_S_MAX || blank > BLANK_S_MAX;
}
