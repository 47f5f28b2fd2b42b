/* What is signed is opened here, and counted when it is refused; the store has the rest. */
#include "node/store/local.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/fragment.h"
#include "node/common/clock.h"
#include "node/store/catalogue.h"
#include "node/trust/grant.h"
#include "node/trust/pin.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

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

/* Everybody else is asked to carry what it brings, so it may not bring too much at a time. */
static int check_allowance(const struct local *local, const struct node_id *sponsor, size_t size,
                           struct err *err)
{
    char hex[2 * 4 + 1];
    if (allowance_take(local->allowance, sponsor, catalogue_charge(size), monotonic_ms()))
        return 0;
    return err_set(err, ERR_FULL,
                   "node %s brings records faster than %.0f MB an hour: later ones have to wait",
                   hex_encode(hex, sponsor->bytes, 4), (double)LOCAL_RECORDS_AN_HOUR / 1e6);
}

static int check_brought(const struct local *local, const struct record *opened,
                         const struct node_id *sponsor, size_t size, const struct node_id *from,
                         const struct record_id *asked, struct err *err)
{
    if (asked != NULL && !id_equal(&opened->hash, asked))
        return err_set(err, ERR_FOREIGN, "another record than the one that was asked for");
    if (asked == NULL && !id_equal(sponsor, from))
        return err_set(err, ERR_DENIED, "the record was countersigned by another node than yours");
    return id_equal(sponsor, from) ? check_allowance(local, sponsor, size, err) : 0;
}

int local_put_record(const struct local *local, const uint8_t *record, size_t size,
                     const struct node_id *from, const struct record_id *asked, struct err *err)
{
    struct record opened = {.number = 0};
    struct node_id sponsor;
    int result = -1;
    if (size > RECORD_BYTES_MAX)
        err_set(err, ERR_FORMAT, "a record of %zu bytes", size);
    else if (record_open_held(&opened, &sponsor, record, size, local->authority_public, err) != 0)
        err_context(err, "record");
    else if (check_brought(local, &opened, &sponsor, size, from, asked, err) == 0)
        result = store_put_record(local->store, record, size, &opened, &sponsor, err);
    if (result != 0 && err != NULL && err->code != ERR_IO)
        count_one(local->counters, COUNTED_RECORDS_REFUSED);
    record_release(&opened);
    return result;
}

int local_put_pins(const struct local *local, const uint8_t *bytes, size_t size,
                   struct pins *opened, uint32_t **held, struct err *err)
{
    struct node_id sponsor;
    *held = NULL;
    if (pins_open_held(opened, &sponsor, bytes, size, local->authority_public, err) != 0) {
        count_one(local->counters, COUNTED_PINS_REFUSED);
        return err_context(err, "pin");
    }
    *held = alloc_zero(opened->count, sizeof(**held));
    int result = store_put_pins(local->store, bytes, size, opened, &sponsor, *held, err);
    if (result != 0 && err->code != ERR_IO)
        count_one(local->counters, COUNTED_PINS_REFUSED);
    return result;
}

struct credentials local_credentials(const struct local *local)
{
    return (struct credentials){local->keys, local->cert, local->authority_public};
}
