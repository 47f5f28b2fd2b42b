/* What is signed is opened here, and counted when it is refused; the store has the rest. */
#include "node/store/local.h"
#include "node/trust/grant.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"

int local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                       struct grant *grant, struct err *err)
{
    struct opened_grant opened;
    if (put->grant_size > GRANT_BYTES_MAX ||
        grant_open(&opened.grant, &opened.writer, put->grant, put->grant_size,
                   local->authority_public, err) != 0) {
        count_one(local->counters, COUNTED_GRANTS_REFUSED);
        if (put->grant_size > GRANT_BYTES_MAX)
            return err_set(err, ERR_FORMAT, "a grant of %zu bytes", put->grant_size);
        return err_context(err, "grant");
    }
    if (put->pin != NULL && !id_equal(&opened.grant.vault, &put->pin->vault)) {
        count_one(local->counters, COUNTED_GRANTS_REFUSED);
        return err_set(err, ERR_DENIED, "the grant is of another vault than the pin");
    }
    int result = store_put_fragment(local->store, put, &opened, err);
    if (result != 0 && (err->code == ERR_DENIED || err->code == ERR_FOREIGN))
        count_one(local->counters, COUNTED_GRANTS_REFUSED);
    if (result == 0 && grant != NULL)
        *grant = opened.grant;
    return result;
}

static int copy_leaves(uint8_t *to, size_t *used, const struct fragment *fragment,
                       const uint32_t *leaves, size_t count, struct err *err)
{
    const struct object_shape *shape = &fragment->object.shape;
    for (size_t i = 0; i < count; i++) {
        if (leaves[i] >= shape->leaf_count)
            return err_set(err, ERR_INVALID, "fragment %u has no leaf %u", fragment->index,
                           leaves[i]);
        size_t size = hash_tree_leaf_size(shape->row_size, leaves[i]);
        memcpy(to + *used, fragment->row + (size_t)leaves[i] * HASH_TREE_LEAF_SIZE, size);
        *used += size;
    }
    return 0;
}

int local_prove_row(const struct local *local, const struct fragment_key *key,
                    const uint32_t *leaves, size_t count, uint8_t **proof, size_t *size,
                    struct err *err)
{
    uint8_t *bytes;
    size_t bytes_size;
    *proof = NULL;
    *size = 0;
    if (store_get_fragment(local->store, key, &bytes, &bytes_size, err) != 0) {
        if (err->code == ERR_DAMAGED)
            count_one(local->counters, COUNTED_CORRUPT);
        return -1;
    }
    struct fragment *fragment = alloc_zero(1, sizeof(*fragment));
    int result = fragment_parse(fragment, bytes, bytes_size, err);
    if (result == 0) {
        size_t used = fragment_head_size(&fragment->object.shape);
        *proof = alloc_zero(used + count * HASH_TREE_LEAF_SIZE, 1);
        memcpy(*proof, bytes, used);
        result = copy_leaves(*proof, &used, fragment, leaves, count, err);
        *size = used;
    }
    free(fragment);
    free(bytes);
    if (result != 0) {
        free(*proof);
        *proof = NULL;
        *size = 0;
    }
    return result;
}

int local_put_record(const struct local *local, const uint8_t *record, size_t size, struct err *err)
{
    struct record opened;
    struct writer_cert writer;
    if (size > RECORD_BYTES_MAX ||
        record_open(&opened, &writer, record, size, &local->cluster, err) != 0) {
        count_one(local->counters, COUNTED_RECORDS_REFUSED);
        if (size > RECORD_BYTES_MAX)
            return err_set(err, ERR_FORMAT, "a record of %zu bytes", size);
        return err_context(err, "record");
    }
    int result = store_put_record(local->store, record, size, &opened, err);
    record_release(&opened);
    return result;
}
