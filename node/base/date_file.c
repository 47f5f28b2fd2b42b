/* A file that is missing or bad costs accuracy and nothing else: the certificate's first day is a
 * floor too. */
#include "node/base/date_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "coding/base/hash.h"
#include "node/common/durable.h"

#define CLOCK_MAGIC     "ecbkclck"
#define CLOCK_VERSION   1
#define CLOCK_PURPOSE   "ecbak clock 1"
#define CLOCK_BODY_SIZE (DATE_FILE_SIZE - HASH_SIZE)
#define CLOCK_NAME      "clock.state"

void date_file_encode(uint8_t bytes[DATE_FILE_SIZE], int64_t seen_s)
{
    struct writer w;
    writer_init(&w, bytes, DATE_FILE_SIZE);
    write_bytes(&w, CLOCK_MAGIC, 8);
    write_u16(&w, CLOCK_VERSION);
    write_zero(&w, 6);
    write_u64(&w, (uint64_t)seen_s);
    write_zero(&w, 8);
    assert(w.used == CLOCK_BODY_SIZE);
    hash_bytes(bytes + CLOCK_BODY_SIZE, CLOCK_PURPOSE, bytes, CLOCK_BODY_SIZE);
}

int date_file_decode(int64_t *seen_s, const uint8_t *bytes, size_t size, struct err *err)
{
    uint8_t digest[HASH_SIZE];
    struct reader r;
    reader_init(&r, bytes, size);
    const uint8_t *magic = read_view(&r, 8);
    unsigned version = read_u16(&r);
    if (r.failed || memcmp(magic, CLOCK_MAGIC, 8) != 0)
        return err_set(err, ERR_FORMAT, "this is no date that a node has seen");
    if (version != CLOCK_VERSION)
        return err_set(err, ERR_VERSION, "version %u: this program knows %d", version,
                       CLOCK_VERSION);
    read_zero(&r, 6);
    uint64_t value = read_u64(&r);
    read_zero(&r, 8);
    const uint8_t *expected = read_view(&r, HASH_SIZE);
    if (r.failed || r.left != 0 || value > INT64_MAX)
        return err_set(err, ERR_FORMAT, "malformed");
    hash_bytes(digest, CLOCK_PURPOSE, bytes, CLOCK_BODY_SIZE);
    if (memcmp(digest, expected, HASH_SIZE) != 0)
        return err_set(err, ERR_DAMAGED, "damaged: its digest differs");
    *seen_s = (int64_t)value;
    return 0;
}

static int join(char path[DURABLE_PATH_MAX], const char *data_dir, struct err *err)
{
    if (snprintf(path, DURABLE_PATH_MAX, "%s/" CLOCK_NAME, data_dir) >= DURABLE_PATH_MAX)
        return err_set(err, ERR_INVALID, "the path of the data directory is too long");
    return 0;
}

void date_file_load(struct date_floor *floor, const char *data_dir, const struct cert *cert,
                    struct err *err)
{
    char path[DURABLE_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t size;
    *floor = (struct date_floor){.first_s = cert->not_before_s, .last_s = cert->not_after_s};
    if (join(path, data_dir, err) != 0 ||
        durable_read(path, DATE_FILE_SIZE, &bytes, &size, err) != 0)
        return;
    if (date_file_decode(&floor->seen_s, bytes, size, err) != 0)
        err_context(err, "%s", path);
    free(bytes);
}

int date_file_save(const struct date_floor *floor, const char *data_dir, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    uint8_t bytes[DATE_FILE_SIZE];
    date_file_encode(bytes, floor->seen_s);
    struct durable_piece piece = {bytes, sizeof(bytes)};
    return join(path, data_dir, err) == 0
               ? durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, err)
               : -1;
}
