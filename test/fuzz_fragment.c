/* Fragment files of any bytes. With the first byte odd, a whole fragment is made around the input, its
 * digests right, and then one byte of it is changed: so the fuzzer gets behind the digests. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/fragment.h"

#define AT_DIGEST 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fragment with the shape and the row that the input picks, every digest right. */
static uint8_t *make_right(const uint8_t *data, size_t *size)
{
    struct object object = {.code = 1, .layout = 1};
    struct object_shape *shape = &object.shape;
    uint8_t pick[8] = {0};
    memcpy(pick, data, *size < sizeof(pick) ? *size : sizeof(pick));
    uint64_t pack_size = (pick[0] | (uint64_t)pick[1] << 8 | (uint64_t)pick[2] << 16) % 150000;
    if (object_shape_of(shape, pack_size, pick[3] % 20 + 1, pick[4] % 20 + 1, NULL) != 0)
        abort();
    unsigned index = pick[5] % (unsigned)(shape->k + shape->m);
    uint8_t *bytes = calloc(1, fragment_size(shape));
    assert(bytes != NULL);
    uint8_t *row = bytes + fragment_head_size(shape);
    uint8_t *leaves = bytes + fragment_leaves_offset(shape);
    memcpy(row, data, *size < shape->row_size ? *size : shape->row_size);
    hash_tree_leaves(leaves, row, shape->row_size);
    hash_tree_root(object.roots[index], leaves, shape->row_size);
    fragment_write_head(bytes, &object, index, leaves);
    size_t at = (pick[6] * 131u + pick[0]) % fragment_size(shape);
    bytes[at] ^= pick[7];
    if (at < AT_DIGEST)
        hash_bytes(bytes + AT_DIGEST, "ecbak fragment 1", bytes, AT_DIGEST);
    *size = fragment_size(shape);
    return bytes;
}

static uint8_t *copy_of(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size); /* its own size: a sanitizer sees every overrun */
    assert(bytes != NULL || size == 0);
    if (size > 0)
        memcpy(bytes, data, size);
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct fragment fragment;
    size_t total = 0;
    if (size < 1)
        return 0;
    size--;
    uint8_t *bytes = data[0] & 1 ? make_right(data + 1, &size) : copy_of(data + 1, size);
    struct fragment any;
    (void)(fragment_parse_head(&any, bytes, size, &err) == 0);
    int measured = fragment_total_size(bytes, size, &total, &err);
    if (fragment_parse(&fragment, bytes, size, &err) == 0) {
        const struct object_shape *shape = &fragment.object.shape;
        uint8_t *head = malloc(fragment_head_size(shape));
        assert(head != NULL && measured == 0 && total == size && total <= FRAGMENT_SIZE_MAX);
        struct fragment alone;
        assert(fragment_parse_head(&alone, bytes, fragment_head_size(shape), &err) == 0);
        assert(id_equal(&alone.object_id, &fragment.object_id) && alone.row == NULL);
        int whole = fragment_verify(&fragment, &err);
        for (size_t leaf = 0; leaf < shape->leaf_count; leaf++)
            assert(fragment_prove_leaf(&fragment, leaf, fragment.row + leaf * HASH_TREE_LEAF_SIZE,
                                       &err) == 0 ||
                   whole != 0);
        assert(fragment_expect(&fragment, &fragment.object_id, (int)fragment.index, &err) == 0);
        /* One way to write what was read. */
        fragment_write_head(head, &fragment.object, fragment.index, fragment.leaves);
        assert(memcmp(head, bytes, fragment_head_size(shape)) == 0);
        free(head);
    } else {
        assert(err.code != ERR_NONE && err.text[0] != '\0');
    }
    free(bytes);
    return 0;
}
