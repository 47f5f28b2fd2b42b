/* offset  size  field
 *      0     8  magic "ecbkfrag"
 *      8     2  version = 1
 *     10     2  code = 1 (enum object_code)
 *     12     2  layout = 1 (enum object_layout)
 *     14     2  hash = 1 (BLAKE2b-256 trees with leaves of 64 KiB)
 *     16     2  k
 *     18     2  m
 *     20     2  index of this row
 *     22     2  zero
 *     24     8  pack size
 *     32     8  row size
 *     40    32  pack id
 *     72    32  object id
 *    104    24  zero
 *    128    32  digest of bytes 0 .. 127
 *    160        roots, 32 bytes for each of the k + m rows
 *               leaf hashes of this row, 32 bytes each
 *               zeros up to a multiple of 64
 *               the row
 */
#include "coding/fragment.h"

#include <assert.h>
#include <string.h>

#include "coding/base/bytes.h"

#define MAGIC_SIZE 8
#define DIGESTED   128
#define SPARE_SIZE 24
#define DIGEST_FOR "ecbak fragment 1"

static size_t roots_size(const struct object_shape *shape)
{
    return (size_t)(shape->k + shape->m) * HASH_SIZE;
}

static size_t leaves_size(const struct object_shape *shape)
{
    return (size_t)shape->leaf_count * HASH_SIZE;
}

size_t fragment_leaves_offset(const struct object_shape *shape)
{
    return FRAGMENT_HEADER_SIZE + roots_size(shape);
}

size_t fragment_head_size(const struct object_shape *shape)
{
    size_t size = fragment_leaves_offset(shape) + leaves_size(shape);
    return (size + FRAGMENT_ALIGN - 1) / FRAGMENT_ALIGN * FRAGMENT_ALIGN;
}

size_t fragment_size(const struct object_shape *shape)
{
    return fragment_head_size(shape) + (size_t)shape->row_size;
}

void fragment_write_head(uint8_t *head, const struct object *object, unsigned index,
                         const uint8_t *leaves)
{
    const struct object_shape *shape = &object->shape;
    struct object_id id;
    uint8_t digest[HASH_SIZE];
    struct writer w;
    assert(index < (unsigned)(shape->k + shape->m));
    object_id(&id, object);
    writer_init(&w, head, fragment_head_size(shape));
    write_bytes(&w, FRAGMENT_MAGIC, MAGIC_SIZE);
    write_u16(&w, FRAGMENT_VERSION);
    write_u16(&w, object->code);
    write_u16(&w, object->layout);
    write_u16(&w, FRAGMENT_HASH);
    write_u16(&w, shape->k);
    write_u16(&w, shape->m);
    write_u16(&w, (uint16_t)index);
    write_zero(&w, 2);
    write_u64(&w, shape->pack_size);
    write_u64(&w, shape->row_size);
    write_bytes(&w, object->pack_id.bytes, ID_SIZE);
    write_bytes(&w, id.bytes, ID_SIZE);
    write_zero(&w, SPARE_SIZE);
    assert(w.used == DIGESTED);
    hash_bytes(digest, DIGEST_FOR, head, DIGESTED);
    write_bytes(&w, digest, HASH_SIZE);
    write_bytes(&w, object->roots, roots_size(shape));
    assert(!w.failed && w.used == fragment_leaves_offset(shape));
    if (leaves != w.at)
        memmove(w.at, leaves, leaves_size(shape));
    size_t used = w.used + leaves_size(shape);
    memset(head + used, 0, fragment_head_size(shape) - used);
}

/* What tells a future format apart is looked at before the digest, which that format may keep
 * elsewhere. */
static int check_versions(const uint8_t *bytes, size_t size, struct err *err)
{
    struct reader r;
    reader_init(&r, bytes, size);
    const uint8_t *magic = read_view(&r, MAGIC_SIZE);
    unsigned version = read_u16(&r);
    if (magic == NULL || memcmp(magic, FRAGMENT_MAGIC, MAGIC_SIZE) != 0)
        return err_set(err, ERR_FORMAT,
                       size < MAGIC_SIZE ? "truncated: %zu bytes are no fragment"
                                         : "not a fragment (%zu bytes)",
                       size);
    if (!r.failed && version != FRAGMENT_VERSION)
        return err_set(
            err, ERR_VERSION,
            "fragment format version %u is not known here (%d is): a newer ecbak wrote it", version,
            FRAGMENT_VERSION);
    if (size < FRAGMENT_HEADER_SIZE)
        return err_set(err, ERR_FORMAT, "truncated: %zu bytes, and the header alone has %d", size,
                       FRAGMENT_HEADER_SIZE);
    return 0;
}

static int check_algorithms(unsigned code, unsigned layout, unsigned hash, struct err *err)
{
    if (code != OBJECT_CODE_RS_VANDERMONDE_8)
        return err_set(err, ERR_VERSION, "erasure code %u is not known here", code);
    if (layout != OBJECT_LAYOUT_WHOLE_ROWS)
        return err_set(err, ERR_VERSION, "row layout %u is not known here", layout);
    if (hash != FRAGMENT_HASH)
        return err_set(err, ERR_VERSION, "hash %u is not known here", hash);
    return 0;
}

/* The header of FRAGMENT_HEADER_SIZE bytes, checked as far as it goes alone. */
static int parse_header(struct fragment *fragment, const uint8_t *bytes, size_t size,
                        struct err *err)
{
    struct object *object = &fragment->object;
    struct reader r;
    uint8_t digest[HASH_SIZE];
    if (check_versions(bytes, size, err) != 0)
        return -1;
    hash_bytes(digest, DIGEST_FOR, bytes, DIGESTED);
    if (memcmp(digest, bytes + DIGESTED, HASH_SIZE) != 0)
        return err_set(err, ERR_DAMAGED, "the header is damaged: its digest differs");
    reader_init(&r, bytes + MAGIC_SIZE + 2, DIGESTED - MAGIC_SIZE - 2);
    object->code = read_u16(&r);
    object->layout = read_u16(&r);
    unsigned hash = read_u16(&r);
    unsigned k = read_u16(&r);
    unsigned m = read_u16(&r);
    fragment->index = read_u16(&r);
    read_zero(&r, 2);
    uint64_t pack_size = read_u64(&r);
    uint64_t row_size = read_u64(&r);
    read_bytes(&r, object->pack_id.bytes, ID_SIZE);
    read_bytes(&r, fragment->object_id.bytes, ID_SIZE);
    read_zero(&r, SPARE_SIZE);
    if (check_algorithms(object->code, object->layout, hash, err) != 0)
        return -1;
    if (r.failed)
        return err_set(err, ERR_FORMAT, "reserved bytes of the header are not zero");
    if (object_shape_of(&object->shape, pack_size, k, m, err) != 0) {
        if (err != NULL)
            err->code = ERR_FORMAT;
        return err_context(err, "the header names an impossible shape");
    }
    if (row_size != object->shape.row_size)
        return err_set(err, ERR_FORMAT, "rows of %llu bytes, where this shape has %llu",
                       (unsigned long long)row_size, (unsigned long long)object->shape.row_size);
    if (fragment->index >= k + m)
        return err_set(err, ERR_FORMAT, "fragment %u of an object that has %u", fragment->index,
                       k + m);
    return 0;
}

int fragment_total_size(const void *bytes, size_t size, size_t *total, struct err *err)
{
    struct fragment fragment;
    if (parse_header(&fragment, bytes, size, err) != 0)
        return -1;
    *total = fragment_size(&fragment.object.shape);
    return 0;
}

/* The roots must hash to the object id, and the leaf hashes to the root of this very row. */
static int check_hashes(const struct fragment *fragment, struct err *err)
{
    const struct object *object = &fragment->object;
    struct object_id id;
    uint8_t root[HASH_SIZE];
    object_id(&id, object);
    if (!id_equal(&id, &fragment->object_id))
        return err_set(err, ERR_DAMAGED, "the roots are damaged: they are not those of its object");
    hash_tree_root(root, fragment->leaves, object->shape.row_size);
    if (memcmp(root, object->roots[fragment->index], HASH_SIZE) == 0)
        return 0;
    for (unsigned i = 0; i < (unsigned)(object->shape.k + object->shape.m); i++)
        if (memcmp(root, object->roots[i], HASH_SIZE) == 0)
            return err_set(
                err, ERR_FOREIGN,
                "wrong index: it says fragment %u, and its leaf hashes are of fragment %u",
                fragment->index, i);
    return err_set(err, ERR_DAMAGED,
                   "the leaf hashes are damaged: they are not those of fragment %u",
                   fragment->index);
}

int fragment_parse_head(struct fragment *fragment, const void *bytes, size_t size, struct err *err)
{
    struct object *object = &fragment->object;
    struct reader r;
    if (parse_header(fragment, bytes, size, err) != 0)
        return -1;
    const struct object_shape *shape = &object->shape;
    size_t head = fragment_head_size(shape);
    if (size < head)
        return err_set(err, ERR_FORMAT, "truncated: %zu bytes, and %zu come before the row", size,
                       head);
    reader_init(&r, bytes, head);
    read_view(&r, FRAGMENT_HEADER_SIZE);
    read_bytes(&r, object->roots, roots_size(shape));
    fragment->leaves = read_view(&r, leaves_size(shape));
    fragment->row = NULL;
    read_zero(&r, head - fragment_leaves_offset(shape) - leaves_size(shape));
    if (r.failed)
        return err_set(err, ERR_FORMAT, "the bytes before the row are not zero");
    assert(r.left == 0);
    return check_hashes(fragment, err);
}

int fragment_parse(struct fragment *fragment, const void *bytes, size_t size, struct err *err)
{
    size_t total;
    if (fragment_total_size(bytes, size, &total, err) != 0)
        return -1;
    if (size < total)
        return err_set(err, ERR_FORMAT, "truncated: %zu bytes of %zu", size, total);
    if (size > total)
        return err_set(err, ERR_FORMAT, "%zu bytes follow the end of the fragment", size - total);
    if (fragment_parse_head(fragment, bytes, size, err) != 0)
        return -1;
    fragment->row = (const uint8_t *)bytes + fragment_head_size(&fragment->object.shape);
    return 0;
}

int fragment_expect(const struct fragment *fragment, const struct object_id *id, int index,
                    struct err *err)
{
    char have[2 * ID_SIZE + 1], want[2 * ID_SIZE + 1];
    if (!id_equal(&fragment->object_id, id))
        return err_set(err, ERR_FOREIGN, "a fragment of object %.16s, not of %.16s",
                       hex_encode(have, fragment->object_id.bytes, ID_SIZE),
                       hex_encode(want, id->bytes, ID_SIZE));
    if (index >= 0 && (unsigned)index != fragment->index)
        return err_set(err, ERR_FOREIGN, "wrong index: fragment %u, not %d", fragment->index,
                       index);
    return 0;
}

static int damaged_leaf(const struct fragment *fragment, size_t leaf, struct err *err)
{
    return err_set(err, ERR_DAMAGED, "leaf %zu of %u of fragment %u is damaged", leaf,
                   (unsigned)fragment->object.shape.leaf_count, fragment->index);
}

int fragment_prove_leaf(const struct fragment *fragment, size_t leaf, const void *bytes,
                        struct err *err)
{
    const struct object_shape *shape = &fragment->object.shape;
    uint8_t hash[HASH_SIZE];
    if (leaf >= shape->leaf_count)
        return err_set(err, ERR_INVALID, "fragment %u has no leaf %zu", fragment->index, leaf);
    hash_tree_leaf(hash, bytes, hash_tree_leaf_size(shape->row_size, leaf));
    if (memcmp(hash, fragment->leaves + leaf * HASH_SIZE, HASH_SIZE) != 0)
        return damaged_leaf(fragment, leaf, err);
    return 0;
}

int fragment_verify(const struct fragment *fragment, struct err *err)
{
    const struct object_shape *shape = &fragment->object.shape;
    uint8_t leaves[OBJECT_LEAF_COUNT_MAX * HASH_SIZE];
    hash_tree_leaves(leaves, fragment->row, (size_t)shape->row_size);
    for (size_t i = 0; i < shape->leaf_count; i++)
        if (memcmp(leaves + i * HASH_SIZE, fragment->leaves + i * HASH_SIZE, HASH_SIZE) != 0)
            return damaged_leaf(fragment, i, err);
    return 0;
}
