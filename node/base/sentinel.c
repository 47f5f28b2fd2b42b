/* A directory without its sentinel is an empty mount point or a disk that is gone: writing there
 * would hide the loss. So the file is only ever made by store_create. */
#include "node/base/sentinel.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "coding/base/hash.h"
#include "node/common/durable.h"

#define SENTINEL_MAGIC     "ecbksent"
#define SENTINEL_VERSION   2
#define SENTINEL_PURPOSE   "ecbak sentinel 2"
#define SENTINEL_BODY_SIZE 64
#define SENTINEL_SIZE      (SENTINEL_BODY_SIZE + HASH_SIZE)

int sentinel_create(const char *path, const struct node_id *node, struct err *err)
{
    uint8_t bytes[SENTINEL_SIZE], epoch[8];
    struct writer w;
    randombytes_buf(epoch, sizeof(epoch));
    writer_init(&w, bytes, sizeof(bytes));
    write_bytes(&w, SENTINEL_MAGIC, 8);
    write_u16(&w, SENTINEL_VERSION);
    write_zero(&w, 6);
    write_bytes(&w, node->bytes, ID_SIZE);
    write_bytes(&w, epoch, sizeof(epoch));
    write_zero(&w, 8);
    assert(w.used == SENTINEL_BODY_SIZE);
    hash_bytes(bytes + SENTINEL_BODY_SIZE, SENTINEL_PURPOSE, bytes, SENTINEL_BODY_SIZE);
    struct durable_piece piece = {bytes, sizeof(bytes)};
    return durable_write(path, &piece, 1, 0600, DURABLE_NEW, err);
}

static int parse(const uint8_t *bytes, size_t size, struct node_id *node, uint64_t *epoch,
                 struct err *err)
{
    uint8_t digest[HASH_SIZE];
    struct reader r;
    reader_init(&r, bytes, size);
    const uint8_t *magic = read_view(&r, 8);
    unsigned version = read_u16(&r);
    if (r.failed || memcmp(magic, SENTINEL_MAGIC, 8) != 0)
        return err_set(err, ERR_FORMAT, "this is no sentinel of a data directory");
    if (version != SENTINEL_VERSION)
        return err_set(err, ERR_VERSION, "data directory of version %u: this program knows %d",
                       version, SENTINEL_VERSION);
    read_zero(&r, 6);
    read_bytes(&r, node->bytes, ID_SIZE);
    *epoch = read_u64(&r);
    read_zero(&r, 8);
    const uint8_t *expected = read_view(&r, HASH_SIZE);
    if (r.failed || r.left != 0)
        return err_set(err, ERR_FORMAT, "the sentinel is malformed");
    hash_bytes(digest, SENTINEL_PURPOSE, bytes, SENTINEL_BODY_SIZE);
    if (memcmp(digest, expected, HASH_SIZE) != 0)
        return err_set(err, ERR_DAMAGED, "the sentinel is damaged: its digest differs");
    return 0;
}

int sentinel_read(const char *path, const struct node_id *node, uint64_t *epoch, struct err *err)
{
    uint8_t *bytes;
    struct node_id whose;
    size_t size;
    char text[2 * ID_SIZE + 1];
    if (durable_read(path, 4096, &bytes, &size, err) != 0) {
        if (err->code == ERR_NOT_FOUND)
            return err_set(
                err, ERR_NOT_FOUND,
                "%s is not there: a disk is missing, or data_dir was changed. What others "
                "store here is not begun anew: bring it back, or move it there",
                path);
        return err->code == ERR_MEMORY ? -1 : err_context(err, "no data directory of this node");
    }
    int result = parse(bytes, size, &whose, epoch, err);
    free(bytes);
    if (result != 0)
        return err_context(err, "%s", path);
    if (!id_equal(&whose, node))
        return err_set(err, ERR_FOREIGN, "%s: this data directory is that of node %s", path,
                       hex_encode(text, whose.bytes, ID_SIZE));
    return 0;
}
