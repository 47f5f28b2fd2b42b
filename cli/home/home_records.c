/* The order that makes a record number safe: reserved on disk with an attempt, then uploads are pinned
 * for both; the signed record on disk, then the number that says so, then it is sent. A crash in
 * between leaves a number that no record will have: the chain of records goes by hashes, and does not
 * miss it. The attempt stays in `sequence`, and the next record says that it is void.
 *
 * That is said of attempts that this folder has begun, and never of whole ranges of numbers: after a
 * folder was set back, numbers are left out that another machine, with a copy of the folder, may be
 * at this moment storing under. */
#include "cli/home/home.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "cli/home/home_internal.h"
#include "node/common/durable.h"
#include "node/trust/record.h"

#define RECORD_FILE_MAX (2u * RECORD_BYTES_MAX)
#define UNSEEN_NUMBERS  1000

static int record_path(char path[HOME_PATH_MAX], const struct vault *vault, uint64_t number,
                       struct err *err)
{
    char name[64];
    snprintf(name, sizeof(name), "records/%020" PRIu64, number);
    return home_join(path, vault->dir, name, err);
}

static int read_locked(const struct vault *vault, struct sequence *sequence, struct err *err)
{
    if (vault->lock < 0)
        return err_set(err, ERR_INVALID, "record numbers are given to a locked vault only");
    return sequence_read(vault->dir, sequence, err);
}

int vault_reserve(struct vault *vault, struct reserved *reserved, struct err *err)
{
    struct sequence sequence;
    if (read_locked(vault, &sequence, err) != 0)
        return -1;
    if (sequence.reserved >= RECORD_NUMBER_MAX)
        return err_set(err, ERR_FULL, "this writer has no record number left");
    *reserved = (struct reserved){.number = ++sequence.reserved, .previous_number = sequence.saved};
    reserved->previous = sequence.last;
    if (sequence.attempt_count > RECORD_VOIDS_MAX) {
        sequence.attempt_count--;
        memmove(&sequence.attempts[0], &sequence.attempts[1],
                sequence.attempt_count * sizeof(sequence.attempts[0]));
    }
    reserved->void_count = sequence.attempt_count;
    memcpy(reserved->voids, sequence.attempts, sequence.attempt_count * ATTEMPT_SIZE);
    randombytes_buf(reserved->attempt.bytes, ATTEMPT_SIZE);
    sequence.attempts[sequence.attempt_count++] = reserved->attempt;
    return sequence_write(vault->dir, &sequence, err);
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
    sequence->attempt_count = 0;
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
    if (number > RECORD_NUMBER_MAX - UNSEEN_NUMBERS)
        return err_set(err, ERR_FULL, "this writer has no record number left");
    /* Stores that were given up after that record have used numbers too, which nobody can tell. */
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
