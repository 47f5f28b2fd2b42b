/* As long as entries end where chunks end, they are decoded where they lie. Only the beginning of
 * an entry that goes on in the next chunk is copied, and that chunk behind it. */
#include <stdlib.h>
#include <string.h>

#include "cli/vault/compact.h"
#include "cli/vault/tree_internal.h"
#include "coding/base/alloc.h"

void tree_reader_init(struct tree_reader *reader)
{
    memset(reader, 0, sizeof(*reader));
}

void tree_reader_release(struct tree_reader *reader)
{
    free(reader->carry);
    memset(reader, 0, sizeof(*reader));
}

static void carry_room(struct tree_reader *reader, size_t size)
{
    if (size <= reader->carry_room)
        return;
    reader->carry_room = size + size / 2;
    reader->carry = alloc_grow(reader->carry, reader->carry_room, 1);
}

/* Moves what is not decoded yet to the front of the carry. */
static void keep_rest(struct tree_reader *reader)
{
    size_t left = reader->bytes.left;
    if (!reader->carried)
        carry_room(reader, left);
    if (left > 0)
        memmove(reader->carry, reader->bytes.at, left);
    reader_init(&reader->bytes, reader->carry, left);
    reader->carried = true;
}

int tree_reader_give(struct tree_reader *reader, const uint8_t *bytes, size_t size, struct err *err)
{
    size_t left = reader->bytes.left;
    if (size > CHUNK_BYTES_MAX)
        return err_set(err, ERR_FORMAT, "a tree chunk of %zu bytes", size);
    if (left == 0) {
        reader_init(&reader->bytes, bytes, size);
        reader->carried = false;
        return 0;
    }
    keep_rest(reader);
    carry_room(reader, left + size);
    if (size > 0)
        memcpy(reader->carry + left, bytes, size);
    reader_init(&reader->bytes, reader->carry, left + size);
    return 0;
}

static void decode_xattrs(struct tree_entry *entry, struct reader *r)
{
    size_t count = (size_t)read_compact(r, TREE_XATTRS_MAX);
    if (r->failed || count == 0)
        return;
    entry->xattrs = alloc_zero(count, sizeof(entry->xattrs[0]));
    entry->xattr_count = count;
    for (size_t i = 0; i < count; i++) {
        struct tree_xattr *xattr = &entry->xattrs[i];
        xattr->name = read_compact_text(r, 1, TREE_XATTR_NAME_MAX, &xattr->name_size);
        xattr->value_size = (size_t)read_compact(r, TREE_XATTR_VALUE_MAX);
        xattr->value = read_view(r, xattr->value_size);
    }
}

static void decode_extents(struct tree_entry *entry, struct reader *r)
{
    size_t count = (size_t)read_compact(r, r->left / 2); /* two bytes each at least */
    if (r->failed || count == 0)
        return;
    entry->extents = alloc_zero(count, sizeof(entry->extents[0]));
    entry->extent_count = count;
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        entry->extents[i].offset = end + read_compact(r, entry->size - end);
        entry->extents[i].size = read_compact(r, entry->size - entry->extents[i].offset);
        end = entry->extents[i].offset + entry->extents[i].size;
    }
}

static void decode_chunks(struct tree_entry *entry, struct reader *r)
{
    size_t count = (size_t)read_compact(r, r->left / ID_SIZE);
    const uint8_t *ids = read_view(r, count * ID_SIZE);
    if (r->failed || count == 0)
        return;
    entry->chunks = alloc_copy(ids, count * ID_SIZE);
    entry->chunk_count = count;
}

static void decode_body(struct tree_entry *entry, unsigned version, struct reader *r)
{
    entry->kind = (enum entry_kind)read_u8(r);
    entry->name = read_compact_text(r, 1, TREE_NAME_MAX, &entry->name_size);
    entry->mode = (uint32_t)read_compact(r, TREE_MODE_MAX);
    entry->uid = (uint32_t)read_compact(r, UINT32_MAX);
    entry->gid = (uint32_t)read_compact(r, UINT32_MAX);
    entry->user = read_compact_text(r, 0, TREE_OWNER_NAME_MAX, &entry->user_size);
    entry->group = read_compact_text(r, 0, TREE_OWNER_NAME_MAX, &entry->group_size);
    entry->mtime_s = read_compact_signed(r);
    entry->mtime_ns = (uint32_t)read_compact(r, TREE_NANOSECONDS_MAX);
    entry->hard_link = read_compact(r, UINT64_MAX);
    decode_xattrs(entry, r);
    if (version == TREE_ENTRY_VERSION_FLAGS) {
        entry->flags = (uint32_t)read_compact(r, UINT32_MAX);
        r->failed = r->failed || entry->flags == 0; /* then it would have two encodings */
    }
    if (entry->kind == ENTRY_FILE) {
        entry->size = read_compact(r, TREE_FILE_SIZE_MAX);
        decode_extents(entry, r);
    }
    if (entry->kind == ENTRY_FILE || entry->kind == ENTRY_DIRECTORY)
        decode_chunks(entry, r);
    else if (entry->kind == ENTRY_SYMLINK)
        entry->target = read_compact_text(r, 1, TREE_TARGET_MAX, &entry->target_size);
    else if (entry->kind == ENTRY_CHAR_DEVICE || entry->kind == ENTRY_BLOCK_DEVICE)
        entry->device = read_compact(r, UINT64_MAX);
}

/* Names rise strictly, bytewise; a name before its own continuations. */
static bool follows(const struct tree_reader *reader, const struct tree_entry *entry)
{
    size_t shorter = reader->last_size < entry->name_size ? reader->last_size : entry->name_size;
    int order = memcmp(reader->last, entry->name, shorter);
    return order < 0 || (order == 0 && reader->last_size < entry->name_size);
}

static int decode_entry(struct tree_entry *entry, struct tree_reader *reader, struct reader *body,
                        struct err *err)
{
    unsigned version = read_u8(body);
    if (!body->failed && version != TREE_ENTRY_VERSION && version != TREE_ENTRY_VERSION_FLAGS)
        return err_set(err, ERR_VERSION, "a tree of version %u; this program knows %d and %d",
                       version, TREE_ENTRY_VERSION, TREE_ENTRY_VERSION_FLAGS);
    decode_body(entry, version, body);
    if (body->failed || body->left != 0)
        return err_set(err, ERR_FORMAT, "a directory's entry is malformed");
    const char *fault = tree_entry_fault(entry);
    if (fault != NULL)
        return err_set(err, ERR_FORMAT, "a directory's entry is refused: %s", fault);
    if (!follows(reader, entry))
        return err_set(err, ERR_FORMAT, "a directory's entries are not in order");
    memcpy(reader->last, entry->name, entry->name_size);
    reader->last_size = entry->name_size;
    return 0;
}

int tree_entry_decode(struct tree_entry *entry, struct tree_reader *reader, bool *end,
                      struct err *err)
{
    *entry = (struct tree_entry){0};
    *end = false;
    struct reader ahead = reader->bytes, body;
    size_t length = read_u32(&ahead);
    if (length > TREE_ENTRY_LENGTH_MAX)
        return err_set(err, ERR_FORMAT, "a directory's entry is too long");
    const uint8_t *bytes = read_view(&ahead, length);
    if (bytes == NULL) {
        *end = true;
        keep_rest(reader);
        return 0;
    }
    reader->bytes = ahead;
    reader_init(&body, bytes, length);
    if (decode_entry(entry, reader, &body, err) != 0) {
        tree_entry_release(entry);
        return -1;
    }
    return 0;
}

void tree_entry_release(struct tree_entry *entry)
{
    free(entry->xattrs);
    free(entry->extents);
    free(entry->chunks);
    *entry = (struct tree_entry){0};
}

int tree_reader_finish(const struct tree_reader *reader, struct err *err)
{
    if (reader->bytes.left != 0)
        return err_set(err, ERR_FORMAT, "a directory ends inside an entry");
    return 0;
}
