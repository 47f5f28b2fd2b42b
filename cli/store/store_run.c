/* The order of things, and why it is so:
 *
 *   1. lock the vault, ask the node who and how many we are
 *   2. read the vault's records and what of their index the cache does not know yet
 *   3. record numbers that are lost are made anew; send the last own record if it never went out; go on from the newest one that the cluster has
 *   4. reserve this snapshot's number: everything that is pinned from here on is pinned for it
 *   5. are the packs that the last store left still whole? what is not is read again
 *   6. walk, read, pack, send; then the index
 *   7. once more, for everything that this snapshot relies on; if some of it was lost: 5 again
 *   8. sign, save, send the record, unless this machine's loss alone would make it worthless. Only
 *      then may the cache and the state file call it published
 *
 * Killed before 8, a store leaves packs that the cache knows and the next one uses.
 */
#include "cli/store/store_run.h"

#include <assert.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/packing/index_merge.h"
#include "cli/store/store_run_internal.h"
#include "coding/base/alloc.h"
#include "node/common/clock.h"
#include "node/common/open_files.h"

#define PASSES_MAX         3
#define ZSTD_LEVEL_DEFAULT 3

static void set_phase(struct store_run *run, enum job_phase phase)
{
    run->pipeline.progress->phase = (int)phase;
}

static void report_target(void *ctx, const char *path, const struct err *err)
{
    struct pipeline *pipeline = ctx;
    job_problem(pipeline->progress, pipeline->report, path, err);
}

static int ask_node(struct store_run *run, struct err *err)
{
    const struct store_options *options = run->pipeline.options;
    if (client_open(&run->client, options->endpoint, err) != 0)
        return -1;
    client_set_patience(run->client, CLIENT_PATIENCE_MS);
    if (client_status(run->client, &run->status, err) != 0)
        return -1;
    run->result->data = options->data > 0 ? options->data : run->status.data;
    run->result->parity = options->data > 0 ? options->parity : run->status.parity;
    if (run->result->data == 0)
        return err_set(err, ERR_TOO_FEW,
                       "the cluster has %u member%s, too few to survive any loss: add another",
                       run->status.members_known, run->status.members_known == 1 ? "" : "s");
    /* Small packs could be stored so, each fragment being a whole copy: and would be incomplete in this
     * cluster for ever. */
    if (run->result->data > run->status.members_known)
        return err_set(
            err, ERR_TOO_FEW, "%u+%u needs at least %u nodes: the cluster has %u members",
            run->result->data, run->result->parity, run->result->data, run->status.members_known);
    return 0;
}

/* What the last snapshot of these paths held is the best guess at what this one will. */
static void estimate(struct store_run *run)
{
    for (size_t i = run->list.count; i-- > 0;) {
        const struct snapshot *snapshot = &run->list.snapshots[i];
        if (!is_of_targets(run, snapshot))
            continue;
        run->pipeline.progress->files_all = snapshot->files;
        run->pipeline.progress->bytes_all = snapshot->bytes;
        return;
    }
}

static int lock_vault(struct pipeline *pipeline, struct err *err)
{
    const struct store_options *options = pipeline->options;
    if (vault_lock(pipeline->vault, 0, NULL, err) == 0)
        return 0;
    if (err->code != ERR_BUSY || options->wait_ms == 0)
        return -1;
    job_notice(pipeline->report, "another store into this vault is running: waiting for its end");
    return vault_lock(pipeline->vault, options->wait_ms, &pipeline->progress->cancel, err);
}

static int prepare(struct store_run *run, struct err *err)
{
    struct pipeline *pipeline = &run->pipeline;
    const struct store_options *options = pipeline->options;
    if (walk_targets(&run->targets, &run->target_count, options->paths, options->path_count,
                     report_target, pipeline, err) != 0 ||
        lock_vault(pipeline, err) != 0 || ask_node(run, err) != 0 ||
        snapshot_list_load(&run->list, pipeline->vault, run->client, err) != 0)
        return -1;
    estimate(run);
    int result = open_caches(run, err);
    if (result ==
        0) /* an index pack that cannot be fetched only means that some chunks are sent again */
        result =
            index_packs_load(run->cache, pipeline->vault->keys, run->client, &run->list, NULL, err);
    if (result == 0 && !options->dry_run)
        result = renew_numbers(run, err);
    if (result == 0 && !options->dry_run)
        result = publish_pending(run, err);
    if (result == 0 && !options->dry_run)
        result = catch_up(run, err);
    if (result == 0 && !options->dry_run)
        result = vault_reserve(pipeline->vault, &run->reserved, err);
    run->pin = (struct pin){.number = run->reserved.number, .attempt = run->reserved.attempt};
    run->pin.vault = pipeline->vault->keys->vault;
    run->pin.writer = pipeline->vault->writer;
    return result;
}

static int seen_one(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                    size_t count, struct err *err)
{
    (void)pack;
    (void)entries;
    (void)count;
    *(bool *)ctx = true;
    return err_set(err, ERR_CANCELLED, "one is enough");
}

static bool cache_is_new(struct store_run *run)
{
    struct err ignored = ERR_INIT;
    bool seen = run->list.count > 0;
    if (!seen && cache_each_unpublished(run->cache, seen_one, &seen, &ignored) != 0)
        seen = true;
    return !seen;
}

/* A segment waits to be compressed. */
static void wake_worker(void *ctx)
{
    struct pipeline *pipeline = ctx;
    work_queue_wake(&pipeline->queue);
}

static int start_packs(struct store_run *run, struct err *err)
{
    struct pipeline *pipeline = &run->pipeline;
    const struct store_options *options = pipeline->options;
    struct packs_options packs = {
        .send = {.vault = pipeline->vault,
                 .cache = run->cache,
                 .places = &pipeline->places,
                 .progress = pipeline->progress,
                 .failure = &pipeline->failure,
                 .endpoint = options->endpoint,
                 .pin = run->pin,
                 .data = run->result->data,
                 .parity = run->result->parity,
                 .shape_is_fixed = options->data > 0},
        .zstd_level = options->zstd_level > 0 ? (int)options->zstd_level : ZSTD_LEVEL_DEFAULT,
        .dry_run = options->dry_run,
        .cache_is_new = cache_is_new(run),
        .relied = &run->relied,
        .queued = wake_worker,
        .queued_ctx = pipeline,
    };
    packs.send.cluster = run->status.cluster;
    packs.send.node = run->status.node;
    return packs_new(&pipeline->packs, &packs, err);
}

/* Reads and sends everything once; the state file is written beside the old one. */
static int read_and_send(struct store_run *run, struct err *err)
{
    struct pipeline *pipeline = &run->pipeline;
    set_phase(run, JOB_RUNNING);
    pipeline->files = pipeline->bytes = pipeline->grown = 0;
    pipeline->progress->files = pipeline->progress->bytes = 0;
    list_index_packs(run, &run->relied);
    if (start_packs(run, err) != 0)
        return -1;
    int result = 0;
    if (!pipeline->options->dry_run)
        start_state(run);
    if (result == 0)
        result = work_queue_start(&pipeline->queue, err);
    if (result == 0) {
        result = store_walk(pipeline, run->targets, run->target_count, err);
        work_queue_end(&pipeline->queue);
    }
    set_phase(run, JOB_FINISHING);
    if (result == 0)
        result = packs_finish(pipeline->packs, &run->index_packs, &run->replaced, err);
    run->result->bytes_new = packs_bytes_new(pipeline->packs);
    packs_destroy(&pipeline->packs);
    return result;
}

/* Forgets a pass whose packs did not all survive it. */
static void forget_pass(struct store_run *run)
{
    struct pipeline *pipeline = &run->pipeline;
    file_state_writer_destroy(&pipeline->state_writer);
    places_release(&pipeline->places);
    places_init(&pipeline->places);
    free(pipeline->root);
    pipeline->root = NULL;
    pipeline->root_count = 0;
    id_list_release(&run->index_packs);
    id_list_release(&run->relied);
    id_list_release(&run->replaced);
}

static int one_pass(struct store_run *run, bool *again, struct err *err)
{
    struct pipeline *pipeline = &run->pipeline;
    size_t count = pipeline->state != NULL ? file_state_pack_count(pipeline->state) : 0;
    for (size_t i = 0; i < count; i++) { /* the state's numbers are the places' */
        uint32_t place = places_of_pack(&pipeline->places, file_state_pack(pipeline->state, i));
        assert(place <= i);
    }
    *again = false;
    set_phase(run, JOB_CHECKING);
    if (!pipeline->options->dry_run && check_before(run, err) != 0)
        return -1;
    if (read_and_send(run, err) != 0)
        return -1;
    return pipeline->options->dry_run ? 0 : check_after(run, again, err);
}

static int run_store(struct store_run *run, struct err *err)
{
    struct pipeline *pipeline = &run->pipeline;
    if (prepare(run, err) != 0)
        return -1;
    bool again = true;
    for (int pass = 0; again; pass++) {
        if (pass == PASSES_MAX)
            return err_set(err, ERR_TOO_FEW,
                           "packs are lost as fast as they are sent: too many nodes are away");
        if (pass > 0)
            forget_pass(run);
        if (one_pass(run, &again, err) != 0)
            return -1;
    }
    run->result->files = pipeline->files;
    run->result->bytes = pipeline->bytes;
    run->result->grown = pipeline->grown;
    run->result->problems = pipeline->progress->problems;
    run->result->unproven_count = run->proofs.count;
    memcpy(run->result->unproven, run->proofs.members, sizeof(run->proofs.members));
    if (pipeline->options->dry_run) {
        judge_problems(run);
        return 0;
    }
    if (run->result->survives != STORE_LOST_WITH_US) {
        set_phase(run, JOB_PUBLISHING);
        if (publish_snapshot(run, err) != 0)
            return -1;
        run->result->published = true;
        remember(run);
    }
    judge_outcome(run);
    return 0;
}

static void release(struct store_run *run)
{
    struct pipeline *pipeline = &run->pipeline;
    file_state_writer_destroy(&pipeline->state_writer);
    file_state_close(&pipeline->state);
    places_release(&pipeline->places);
    free(pipeline->root);
    id_list_release(&run->index_packs);
    id_list_release(&run->relied);
    id_list_release(&run->replaced);
    id_list_release(&run->given_up);
    id_list_release(&run->proven);
    free(run->state_path);
    for (size_t i = 0; i < run->target_count; i++)
        free(run->targets[i]);
    free(run->targets);
    snapshot_list_release(&run->list);
    if (run->cache != NULL)
        cache_close(&run->cache);
    if (run->client != NULL)
        client_close(&run->client);
    failure_release(&pipeline->failure);
    pthread_mutex_destroy(&pipeline->report_lock);
    pthread_mutex_destroy(&pipeline->state_lock);
    work_queue_release(&pipeline->queue);
}

/* One attempt. *again: it met a cache that cannot be read, which is made anew by the next (and was by
 * the one before). */
static int attempt(struct vault *vault, const struct store_options *options,
                   struct job_progress *progress, const struct job_report *report, bool *again,
                   struct store_result *result, struct err *err)
{
    struct store_run *run = alloc_zero(1, sizeof(*run));
    struct pipeline *pipeline = &run->pipeline;
    *result = (struct store_result){0};
    run->result = result;
    run->again = *again;
    pipeline->options = options;
    pipeline->vault = vault;
    pipeline->progress = progress;
    pipeline->report = report;
    failure_init(&pipeline->failure, &progress->cancel);
    pthread_mutex_init(&pipeline->report_lock, NULL);
    pthread_mutex_init(&pipeline->state_lock, NULL);
    workers_init(pipeline, job_threads(options->threads, STORE_THREADS_MAX));
    places_init(&pipeline->places);
    chunker_init(&pipeline->chunker, vault->keys->gear_key);
    int status = run_store(run, err);
    *again = status != 0 && run->cache != NULL && cache_is_damaged(run->cache);
    release(run);
    free(run);
    return status;
}

int store_run(struct vault *vault, const struct store_options *options,
              struct job_progress *progress, const struct job_report *report,
              struct store_result *result, struct err *err)
{
    int64_t begin_ms = monotonic_ms();
    bool again = false;
    /* Packs and their fragments come and go at tens of MiB each: left alone, the allocator learns from
     * the first one freed to keep them in its arenas, and a store takes twice what it uses. */
    mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
    /* A folder a level is open, and those that are read ahead or not finished. */
    struct err ignored = ERR_INIT; /* the limit there is may do */
    (void)(open_files_raise(&ignored) == 0);
    int status = attempt(vault, options, progress, report, &again, result, err);
    if (again) {
        job_notice(report, "this vault's cache is damaged: it is made anew, and the store begins "
                           "again");
        progress->problems = 0;
        status = attempt(vault, options, progress, report, &again, result, err);
    }
    result->bytes_sent = progress->bytes_sent;
    result->seconds = (double)(monotonic_ms() - begin_ms) / 1000;
    progress->phase = JOB_ENDED;
    return status;
}
