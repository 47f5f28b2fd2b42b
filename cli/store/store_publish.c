/* The record is what makes a snapshot exist. It is signed and saved here before it is sent, and
 * sent again unchanged by the next store if this one is stopped in between: a number is never used
 * for two records. A vault's folder may be an older copy (of a machine that was set back): then the
 * cluster knows newer records of this writer than the folder does, and those count.
 *
 * What it says in the clear is what others need who cannot read it: which run it ends, what that run
 * knew of every writer, and all index packs without which its chunks cannot be found.
 */
#include <assert.h>
#include <pwd.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/store/store_run_internal.h"
#include "coding/base/alloc.h"
#include "node/common/clock.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

#define HOST_NAME_MAX_SIZE 256

static int send_record(struct store_run *run, const uint8_t *bytes, size_t size, struct err *err)
{
    uint32_t others = run->status.members_known > 0 ? run->status.members_known - 1 : 0;
    uint32_t wanted = run->result->parity + 1 < others ? run->result->parity + 1 : others;
    return client_put_record(run->client, bytes, size, wanted, &run->record, err);
}

int renew_numbers(struct store_run *run, struct err *err)
{
    const struct own_record *found = &run->list.newest;
    const struct newest_known newest = {.cluster = &run->status.cluster,
                                        .number = found->bytes != NULL ? found->number : 0,
                                        .hash = &found->hash,
                                        .all_asked =
                                            run->list.nodes_answered == run->list.nodes_asked};
    bool renewed;
    if (vault_renew_sequence(run->pipeline.vault, &newest, &renewed, err) != 0)
        return -1;
    if (renewed)
        job_notice(run->pipeline.report,
                   "the vault's record numbers were lost on this machine: they go on behind the "
                   "newest record that it and the cluster have");
    return 0;
}

int publish_pending(struct store_run *run, struct err *err)
{
    uint64_t number;
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct vault *vault = run->pipeline.vault;
    if (vault_last_record(vault, &number, &bytes, &size, err) != 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    bool there = false;
    for (size_t i = 0; i < run->list.count && !there; i++) {
        const struct snapshot *snapshot = &run->list.snapshots[i];
        there = snapshot->number == number && id_equal(&snapshot->writer, &vault->writer);
    }
    int result = there ? 0 : send_record(run, bytes, size, err);
    free(bytes);
    return result == 0 ? 0 : err_context(err, "sending an earlier snapshot's record");
}

int catch_up(struct store_run *run, struct err *err)
{
    const struct own_record *newest = &run->list.newest;
    bool was_behind = false;
    if (newest->bytes == NULL)
        return 0;
    if (vault_catch_up(run->pipeline.vault, newest->number, newest->bytes, newest->size,
                       &newest->hash, &was_behind, err) != 0)
        return err_context(err, "going on from the newest record of this machine");
    if (was_behind)
        job_notice(
            run->pipeline.report,
            "the vault's folder on this machine was set back, or another machine uses a copy "
            "of it: the cluster has newer snapshots by it, and this one follows them");
    return 0;
}

/* The names behind this process; the texts are malloc'd. */
static void name_source(const struct store_options *options, char **host, char **user)
{
    char name[HOST_NAME_MAX_SIZE] = "";
    if (options->host == NULL && gethostname(name, sizeof(name)) != 0)
        name[0] = '\0';
    name[sizeof(name) - 1] = '\0';
    *host = alloc_text(options->host != NULL ? options->host : name);
    char buffer[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) != 0)
        found = NULL;
    *user =
        found != NULL ? alloc_text(found->pw_name) : alloc_format("%lu", (unsigned long)geteuid());
}

static int seal(struct store_run *run, uint8_t **sealed, size_t *size, struct err *err)
{
    const struct store_options *options = run->pipeline.options;
    const struct id_list *replaced = run->given_up.count > 0 ? &run->given_up : &run->replaced;
    struct timespec now = wall_time();
    assert(run->given_up.count == 0 ||
           run->replaced.count == 0); /* those given up are not merged */
    struct snapshot snapshot = {
        .number = run->pin.number,
        .time_s = now.tv_sec,
        .time_ns = (uint32_t)now.tv_nsec,
        .paths = run->targets,
        .path_count = run->target_count,
        .tags = alloc_zero(options->tag_count, sizeof(char *)),
        .tag_count = options->tag_count,
        .root = run->pipeline.root,
        .root_count = run->pipeline.root_count,
        .index_packs = run->index_packs.ids,
        .index_pack_count = run->index_packs.count,
        .replaced = replaced->ids,
        .replaced_count = replaced->count,
        .files = run->result->files,
        .bytes = run->result->bytes,
        .bytes_new = run->result->bytes_new,
    };
    snapshot.writer = run->pipeline.vault->writer;
    for (size_t i = 0; i < options->tag_count; i++)
        snapshot.tags[i] = alloc_text(options->tags[i]);
    name_source(options, &snapshot.host, &snapshot.user);
    int result = snapshot_seal(&snapshot, run->pipeline.vault->keys, sealed, size, err);
    for (size_t i = 0; i < options->tag_count; i++)
        free(snapshot.tags[i]);
    free(snapshot.tags);
    free(snapshot.host);
    free(snapshot.user);
    return result;
}

static int head_order(const void *a, const void *b)
{
    const struct record_head *x = a, *y = b;
    return id_compare(&x->writer, &y->writer);
}

/* The newest record known of each writer. Where there are more writers than a record has room for,
 * the others are those that this machine has heard of last. */
static void fill_heads(const struct store_run *run, struct record *record)
{
    const struct heads *heads = &run->list.heads;
    record->heads = alloc_zero(heads->count, sizeof(record->heads[0]));
    for (size_t i = 0; i < heads->count && record->head_count < RECORD_HEADS_MAX; i++) {
        struct record_head *head = &record->heads[record->head_count++];
        head->writer = heads->heads[i].writer;
        head->hash = heads->heads[i].hash;
    }
    if (record->head_count > 1)
        qsort(record->heads, record->head_count, sizeof(record->heads[0]), head_order);
}

/* Everything but what is sealed. Its lists are the record's. */
static void fill_clear(const struct store_run *run, struct record *record)
{
    const struct reserved *reserved = &run->reserved;
    record->cluster = run->status.cluster;
    record->vault = run->pipeline.vault->keys->vault;
    record->writer = run->pipeline.vault->writer;
    record->number = reserved->number;
    record->attempt = reserved->attempt;
    record->previous = reserved->previous;
    record->previous_number = reserved->previous_number;
    record->void_count = reserved->void_count;
    record->voids = alloc_copy(reserved->voids, reserved->void_count * sizeof(reserved->voids[0]));
    struct id_list relied = {0};
    list_index_packs(run, &relied);
    for (size_t i = 0; i < run->index_packs.count; i++)
        id_list_add(&relied, &run->index_packs.ids[i]);
    record->index_pack_count = relied.count;
    record->index_packs = alloc_copy(relied.ids, relied.count * sizeof(relied.ids[0]));
    id_list_release(&relied);
    fill_heads(run, record);
}

int publish_snapshot(struct store_run *run, struct err *err)
{
    struct vault *vault = run->pipeline.vault;
    struct record record = {.kind = RECORD_SNAPSHOT};
    uint8_t *bytes = NULL;
    size_t size = 0;
    fill_clear(run, &record);
    int result = seal(run, &record.sealed, &record.sealed_size, err);
    if (result == 0)
        result = record_seal(
            &record,
            &(struct signer){vault->writer_secret, vault->writer_cert, vault->writer_cert_size},
            &bytes, &size, &run->result->snapshot, err);
    if (result == 0)
        result = vault_save_record(vault, record.number, bytes, size, &run->result->snapshot, err);
    if (result == 0 && send_record(run, bytes, size, err) != 0)
        result = err_context(err, "the snapshot is stored but not yet published; the next store "
                                  "does that");
    record_release(&record);
    free(bytes);
    return result;
}
