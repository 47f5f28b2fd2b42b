/* A store's caches: which pack has a chunk, and what the last store saw of each file. Nothing that is
 * wrong with them ends a store; it costs time, and is said.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cli/packing/index_merge.h"
#include "cli/store/store_run_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

bool is_of_targets(const struct store_run *run, const struct snapshot *snapshot)
{
    bool same = snapshot->path_count == run->target_count;
    for (size_t i = 0; i < run->target_count && same; i++)
        same = strcmp(snapshot->paths[i], run->targets[i]) == 0;
    return same;
}

/* The state file of these targets. */
static char *state_path(const struct store_run *run, const char *folder)
{
    uint8_t hash[FILE_STATE_KEY_SIZE];
    char name[2 * FILE_STATE_KEY_SIZE + 1];
    crypto_generichash_state hashing;
    crypto_generichash_init(&hashing, NULL, 0, sizeof(hash));
    for (size_t i = 0; i < run->target_count; i++)
        crypto_generichash_update(&hashing, (const uint8_t *)run->targets[i],
                                  strlen(run->targets[i]) + 1);
    crypto_generichash_final(&hashing, hash, sizeof(hash));
    return alloc_format("%s/%s", folder, hex_encode(name, hash, sizeof(hash)));
}

static void open_state(struct store_run *run, const char *folder)
{
    struct pipeline *pipeline = &run->pipeline;
    struct err why = ERR_INIT;
    bool expected = false;
    run->state_path = state_path(run, folder);
    if (file_state_open(&pipeline->state, run->state_path, &why) == 0)
        return;
    pipeline->state = NULL; /* then everything is read */
    for (size_t i = 0; i < run->list.count && !expected; i++) {
        const struct snapshot *snapshot = &run->list.snapshots[i];
        expected =
            id_equal(&snapshot->writer, &pipeline->vault->writer) && is_of_targets(run, snapshot);
    }
    if (expected || why.code != ERR_NOT_FOUND)
        job_notice(pipeline->report, why.code == ERR_NOT_FOUND
                                         ? "what the last store saw of these files is not here "
                                           "any more: all of them are read"
                                         : "what the last store saw of these files cannot be "
                                           "read: all of them are");
}

int open_caches(struct store_run *run, struct err *err)
{
    struct pipeline *pipeline = &run->pipeline;
    char folder[HOME_PATH_MAX];
    if (home_caches(folder, pipeline->vault, err) != 0 || cache_open(&run->cache, folder, err) != 0)
        return -1;
    bool expected = !run->again && snapshot_newest_of(&run->list, &pipeline->vault->writer) != NULL;
    job_notice(pipeline->report, cache_notice(run->cache, expected));
    char *states = alloc_format("%s/state", folder);
    struct err ignored = ERR_INIT;
    if (home_make_dirs(states, &ignored) != 0)
        ignored.code = ERR_NONE; /* start_state says so */
    open_state(run, states);
    free(states);
    return 0;
}

static void say_lost(struct store_run *run, const struct err *why)
{
    char *text = alloc_format("%s: the next store reads every file", why->text);
    job_notice(run->pipeline.report, text);
    free(text);
}

void start_state(struct store_run *run)
{
    struct err why = ERR_INIT;
    if (file_state_writer_new(&run->pipeline.state_writer, run->state_path, &why) != 0)
        say_lost(run, &why);
}

void remember(struct store_run *run)
{
    struct pipeline *pipeline = &run->pipeline;
    struct err why = ERR_INIT;
    struct file_state_packs packs;
    bool good = cache_begin(run->cache, &why) == 0;
    good = good && index_merge_remember(run->cache, &run->index_packs, &run->replaced, &why) == 0;
    good = good && cache_set_published(run->cache, &why) == 0;
    struct err later = ERR_INIT;
    if (cache_commit(run->cache, good ? &why : &later) != 0 || !good) {
        say_lost(run, &why);
        return;
    }
    if (pipeline->state_writer == NULL)
        return;
    places_compact(&pipeline->places, &packs);
    if (file_state_writer_finish(&pipeline->state_writer, &packs, &why) != 0)
        say_lost(run, &why);
    file_state_packs_release(&packs);
}
