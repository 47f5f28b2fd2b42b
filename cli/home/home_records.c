/* The order that makes a record number safe: reserved on disk, then uploads are pinned for it; the
 * signed record on disk, then the number that says so, then it is sent. A crash in between leaves a
 * number that no record will have: the chain of records goes by hashes, and does not miss it. */
#include "cli/home/home.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/home/home_internal.h"
#include "node/common/durable.h"
#include "node/trust/record.h"

#define RECORD_FILE_MAX (2u * RECORD_BYTES_MAX)
#define RECORD_DIGITS   20
/* Stores that were given up after a record have used numbers too, which nobody can tell. */
#define UNSEEN_NUMBERS 1000

static int record_path(char path[HOME_PATH_MAX], const struct vault *vault, uint64_t number,
                       struct err *err)
{
    char name[64];
    snprintf(name, sizeof(name), "records/%0*" PRIu64, RECORD_DIGITS, number);
    return home_join(path, vault->dir, name, err);
}

static int read_locked(const struct vault *vault, struct sequence *sequence, struct err *err)
{
    if (vault->lock < 0)
        return err_set(err, ERR_INVALID, "record numbers are given to a locked vault only");
    return sequence_read(vault->dir, sequence, err);
}

int vault_reserve(struct vault *vault, uint64_t *number, struct record_id *previous,
                  struct err *err)
{
    struct sequence sequence;
    if (read_locked(vault, &sequence, err) != 0)
        return -1;
    if (sequence.reserved == UINT64_MAX)
        return err_set(err, ERR_FULL, "this writer has no record number left");
    sequence.reserved++;
    if (sequence_write(vault->dir, &sequence, err) != 0)
        return -1;
    *number = sequence.reserved;
    *previous = sequence.last;
    return 0;
}

/* The record, then the sequence that says so. */
static int save(struct vault *vault, struct sequence *sequence, uint64_t number,
                const uint8_t *bytes, size_t size, const struct record_id *hash, struct err *err)
{
    char path[HOME_PATH_MAX], folder[HOME_PATH_MAX];
    struct durable_piece piece = {bytes, size};
    if (record_path(path, vault, number, err) != 0)
        return -1;
    if (home_join(folder, vault->dir, "records", err) != 0 ||
        durable_make_dir(folder, 0700, err) != 0 ||
        durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, err) != 0)
        return -1;
    sequence->saved = number;
    sequence->last = *hash;
    return sequence_write(vault->dir, sequence, err);
}

int vault_save_record(struct vault *vault, uint64_t number, const uint8_t *bytes, size_t size,
                      const struct record_id *hash, struct err *err)
{
    struct sequence sequence;
    if (read_locked(vault, &sequence, err) != 0)
        return -1;
    if (number != sequence.reserved || number == sequence.saved)
        return err_set(err, ERR_INVALID, "record %" PRIu64 " was not reserved", number);
    return save(vault, &sequence, number, bytes, size, hash, err);
}

int vault_catch_up(struct vault *vault, uint64_t number, const uint8_t *bytes, size_t size,
                   const struct record_id *hash, bool *was_behind, struct err *err)
{
    struct sequence sequence;
    if (read_locked(vault, &sequence, err) != 0)
        return -1;
    *was_behind = number > sequence.saved;
    if (!*was_behind)
        return 0;
    if (number > UINT64_MAX - UNSEEN_NUMBERS)
        return err_set(err, ERR_FULL, "this writer has no record number left");
    if (sequence.reserved < number + UNSEEN_NUMBERS)
        sequence.reserved = number + UNSEEN_NUMBERS;
    return save(vault, &sequence, number, bytes, size, hash, err);
}

int vault_last_record(struct vault *vault, uint64_t *number, uint8_t **bytes, size_t *size,
                      struct err *err)
{
    char path[HOME_PATH_MAX];
    struct sequence sequence;
    *bytes = NULL;
    if (sequence_read(vault->dir, &sequence, err) != 0)
        return -1;
    if (sequence.saved == 0)
        return err_set(err, ERR_NOT_FOUND, "this machine has stored no snapshot yet");
    *number = sequence.saved;
    if (record_path(path, vault, sequence.saved, err) != 0)
        return -1;
    return durable_read(path, RECORD_FILE_MAX, bytes, size, err);
}

/* ---- lost numbers ---------------------------------------------------------------------------- */

/* The highest number below `below` that a record here has by its name; 0: none. */
static uint64_t highest_saved(const struct vault *vault, uint64_t below)
{
    char path[HOME_PATH_MAX];
    struct err ignored;
    uint64_t highest = 0;
    DIR *folder = home_join(path, vault->dir, "records", &ignored) == 0 ? opendir(path) : NULL;
    for (const struct dirent *at; folder != NULL && (at = readdir(folder)) != NULL;) {
        if (strspn(at->d_name, "0123456789") != RECORD_DIGITS || at->d_name[RECORD_DIGITS] != '\0')
            continue;
        uint64_t number = strtoull(at->d_name, NULL, 10);
        if (number < below && number > highest)
            highest = number;
    }
    if (folder != NULL)
        closedir(folder);
    return highest;
}

static bool is_own_record(const struct vault *vault, const struct cluster_id *cluster,
                          uint64_t number, struct record_id *hash)
{
    char path[HOME_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct record record = {0};
    struct writer_cert cert;
    struct err ignored;
    if (record_path(path, vault, number, &ignored) != 0 ||
        durable_read(path, RECORD_FILE_MAX, &bytes, &size, &ignored) != 0)
        return false;
    bool own = record_open(&record, &cert, bytes, size, cluster, &ignored) == 0 &&
               id_equal(&record.writer, &vault->writer) && record.number == number;
    *hash = record.hash;
    record_release(&record);
    free(bytes);
    return own;
}

int vault_renew_sequence(struct vault *vault, const struct newest_known *newest, bool *renewed,
                         struct err *err)
{
    struct sequence sequence;
    *renewed = false;
    if (read_locked(vault, &sequence, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND && err->code != ERR_DAMAGED && err->code != ERR_FORMAT)
        return -1;
    const uint64_t named = highest_saved(vault, UINT64_MAX);
    sequence = (struct sequence){.saved = named};
    while (sequence.saved > 0 &&
           !is_own_record(vault, newest->cluster, sequence.saved, &sequence.last))
        sequence.saved = highest_saved(vault, sequence.saved);
    if (sequence.saved == 0)
        memset(&sequence.last, 0, sizeof(sequence.last));
    if (sequence.saved == 0 && !newest->all_asked)
        return err_set(err, ERR_TOO_FEW,
                       "the vault's record numbers are lost on this machine, and not all members "
                       "answer, of whom one might have its newest record: try again when they do, "
                       "or move %s away and run `ecbak open`",
                       vault->dir);
    if (newest->number > sequence.saved) {
        sequence.saved = newest->number;
        sequence.last = *newest->hash;
    }
    const uint64_t highest = named > sequence.saved ? named : sequence.saved;
    if (highest > UINT64_MAX - UNSEEN_NUMBERS)
        return err_set(err, ERR_FULL, "this writer has no record number left");
    sequence.reserved = highest + UNSEEN_NUMBERS;
    *renewed = sequence_write(vault->dir, &sequence, err) == 0;
    return *renewed ? 0 : -1;
}
