#include "cli/home/heads.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/buffer.h"
#include "cli/base/text.h"
#include "cli/home/lock.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/common/durable.h"

#define LINE_MAX_SIZE 160
#define HEADS_FILE    "heads"

static int parse_line(struct head *head, const char *line)
{
    char writer[2 * WRITER_ID_SIZE + 1], number[21], hash[2 * ID_SIZE + 1];
    struct err ignored;
    if (sscanf(line, "%32s %20[0-9] %64s", writer, number, hash) != 3 ||
        text_read_number(&head->number, number, &ignored) != 0)
        return -1;
    return hex_decode(head->writer.bytes, WRITER_ID_SIZE, writer) == 0 &&
                   hex_decode(head->hash.bytes, ID_SIZE, hash) == 0
               ? 0
               : -1;
}

int heads_load(struct heads *heads, const char *dir, struct err *err)
{
    *heads = (struct heads){0};
    char *path = alloc_format("%s/" HEADS_FILE, dir);
    FILE *file = fopen(path, "re");
    int result = file != NULL || errno == ENOENT ? 0 : err_errno(err, "reading %s", path);
    char line[LINE_MAX_SIZE];
    struct head head;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (parse_line(&head, line) == 0)
            heads_see(heads, &head);
    }
    if (file != NULL)
        fclose(file);
    heads->changed = false;
    free(path);
    return result;
}

void heads_see(struct heads *heads, const struct head *head)
{
    for (size_t i = 0; i < heads->count; i++) {
        if (!id_equal(&heads->heads[i].writer, &head->writer))
            continue;
        if (head->number > heads->heads[i].number) {
            heads->heads[i] = *head;
            heads->changed = true;
        }
        return;
    }
    heads->heads = alloc_grow(heads->heads, heads->count + 1, sizeof(heads->heads[0]));
    heads->heads[heads->count++] = *head;
    heads->changed = true;
}

static int write_file(const struct heads *heads, const char *dir, struct err *err)
{
    struct buffer text = {0};
    for (size_t i = 0; i < heads->count; i++) {
        char writer[2 * WRITER_ID_SIZE + 1], hash[2 * ID_SIZE + 1], line[LINE_MAX_SIZE];
        hex_encode(writer, heads->heads[i].writer.bytes, WRITER_ID_SIZE);
        hex_encode(hash, heads->heads[i].hash.bytes, ID_SIZE);
        int size = snprintf(line, sizeof(line), "%s %" PRIu64 " %s\n", writer,
                            heads->heads[i].number, hash);
        assert(size > 0 && (size_t)size < sizeof(line));
        buffer_append(&text, line, (size_t)size);
    }
    char *path = alloc_format("%s/" HEADS_FILE, dir);
    const struct durable_piece piece = {text.bytes, text.size};
    int result = durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, err);
    free(path);
    buffer_release(&text);
    return result;
}

int heads_save(const struct heads *heads, const char *dir, struct err *err)
{
    if (!heads->changed)
        return 0;
    struct heads merged = {0};
    int lock = -1;
    char *path = alloc_format("%s/" HEADS_FILE ".lock", dir);
    int result = lock_take(&lock, path, LOCK_SHORT_MS, NULL, err);
    if (result == 0)
        result = heads_load(&merged, dir, err);
    for (size_t i = 0; i < heads->count && result == 0; i++)
        heads_see(&merged, &heads->heads[i]);
    if (result == 0 && merged.changed) {
        durable_clear_leftovers(dir, HEADS_FILE);
        result = write_file(&merged, dir, err);
    }
    if (lock >= 0)
        close(lock);
    free(path);
    heads_release(&merged);
    return result;
}

void heads_release(struct heads *heads)
{
    free(heads->heads);
    *heads = (struct heads){0};
}
