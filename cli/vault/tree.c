/* Numbers and texts as in compact.h. An entry:
 *
 *   4   length of what follows
 *   1   version, 1, or 2 with flags
 *   1   kind
 *   t   name
 *   n   mode
 *   n   uid            n   gid
 *   t   user           t   group
 *   n   seconds of the modification time, folded;  n  nanoseconds
 *   n   hard link number
 *   n   attributes; each: t name, n size, value
 *   n   version 2: flags, not zero
 *   and by kind:
 *     file         n size; n extents, each: n hole before it, n length; n chunks, 32 bytes each
 *     directory    n chunks, 32 bytes each
 *     symlink      t target
 *     device       n device number
 *
 * The length in front lets a reader know whether it has the whole entry, since a chunk of the tree
 * may end inside one. Times of change and access are left out: they cannot be restored, and would
 * make every tree differ from the one before.
 */
#include "cli/vault/tree.h"

#include <assert.h>
#include <string.h>

#include "cli/vault/compact.h"
#include "cli/vault/tree_internal.h"

static bool name_is_safe(const char *name, size_t size)
{
    if (size == 0 || size > TREE_NAME_MAX)
        return false;
    if (memchr(name, '/', size) != NULL || memchr(name, '\0', size) != NULL)
        return false;
    return !(name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')));
}

static bool text_is_safe(const char *text, size_t size, size_t min, size_t max)
{
    return size >= min && size <= max && (size == 0 || memchr(text, '\0', size) == NULL);
}

static bool extents_are_sound(const struct tree_entry *entry)
{
    uint64_t end = 0;
    for (size_t i = 0; i < entry->extent_count; i++) {
        const struct tree_extent *extent = &entry->extents[i];
        if (extent->size == 0 || extent->offset < end || extent->offset > entry->size ||
            extent->size > entry->size - extent->offset)
            return false;
        end = extent->offset + extent->size;
    }
    return true;
}

const char *tree_entry_fault(const struct tree_entry *e)
{
    if (!name_is_safe(e->name, e->name_size))
        return "its name";
    if (e->kind < ENTRY_FILE || e->kind > ENTRY_SOCKET)
        return "its kind";
    if (e->mode > TREE_MODE_MAX)
        return "its mode";
    if (e->mtime_ns > TREE_NANOSECONDS_MAX)
        return "its time";
    if (!text_is_safe(e->user, e->user_size, 0, TREE_OWNER_NAME_MAX) ||
        !text_is_safe(e->group, e->group_size, 0, TREE_OWNER_NAME_MAX))
        return "its owner's name";
    if (e->kind == ENTRY_DIRECTORY && e->hard_link != 0)
        return "a hard link to a directory";
    if (e->xattr_count > TREE_XATTRS_MAX)
        return "its number of extended attributes";
    for (size_t i = 0; i < e->xattr_count; i++)
        if (!text_is_safe(e->xattrs[i].name, e->xattrs[i].name_size, 1, TREE_XATTR_NAME_MAX) ||
            e->xattrs[i].value_size > TREE_XATTR_VALUE_MAX)
            return "an extended attribute";
    if ((e->flags & ~TREE_FLAGS_ALL) != 0 ||
        (e->flags != 0 && e->kind != ENTRY_FILE && e->kind != ENTRY_DIRECTORY))
        return "its flags";
    if (e->kind == ENTRY_SYMLINK && !text_is_safe(e->target, e->target_size, 1, TREE_TARGET_MAX))
        return "its target";
    if (e->chunk_count > TREE_CHUNKS_MAX)
        return "its number of chunks";
    if (e->kind == ENTRY_FILE &&
        (e->size > TREE_FILE_SIZE_MAX || e->chunk_count > e->size || !extents_are_sound(e) ||
         (e->extent_count > 0 && e->chunk_count == 0)))
        return "its size, extents and chunks";
    return NULL;
}

static void encode_chunks(struct buffer *b, const struct tree_entry *entry)
{
    compact_number(b, entry->chunk_count);
    buffer_append(b, entry->chunks, entry->chunk_count * ID_SIZE);
}

static void encode_body(struct buffer *b, const struct tree_entry *entry)
{
    compact_u8(b, entry->flags != 0 ? TREE_ENTRY_VERSION_FLAGS : TREE_ENTRY_VERSION);
    compact_u8(b, (uint8_t)entry->kind);
    compact_text(b, entry->name, entry->name_size);
    compact_number(b, entry->mode);
    compact_number(b, entry->uid);
    compact_number(b, entry->gid);
    compact_text(b, entry->user, entry->user_size);
    compact_text(b, entry->group, entry->group_size);
    compact_signed(b, entry->mtime_s);
    compact_number(b, entry->mtime_ns);
    compact_number(b, entry->hard_link);
    compact_number(b, entry->xattr_count);
    for (size_t i = 0; i < entry->xattr_count; i++) {
        compact_text(b, entry->xattrs[i].name, entry->xattrs[i].name_size);
        compact_text(b, entry->xattrs[i].value, entry->xattrs[i].value_size);
    }
    if (entry->flags != 0)
        compact_number(b, entry->flags);
    if (entry->kind == ENTRY_FILE) {
        uint64_t end = 0;
        compact_number(b, entry->size);
        compact_number(b, entry->extent_count);
        for (size_t i = 0; i < entry->extent_count; i++) {
            compact_number(b, entry->extents[i].offset - end);
            compact_number(b, entry->extents[i].size);
            end = entry->extents[i].offset + entry->extents[i].size;
        }
    }
    if (entry->kind == ENTRY_FILE || entry->kind == ENTRY_DIRECTORY)
        encode_chunks(b, entry);
    else if (entry->kind == ENTRY_SYMLINK)
        compact_text(b, entry->target, entry->target_size);
    else if (entry->kind == ENTRY_CHAR_DEVICE || entry->kind == ENTRY_BLOCK_DEVICE)
        compact_number(b, entry->device);
}

int tree_entry_encode(const struct tree_entry *entry, struct buffer *to, struct err *err)
{
    const char *fault = tree_entry_fault(entry);
    if (fault != NULL)
        return err_set(err, ERR_INVALID, "\"%.*s\" cannot be stored: %s",
                       (int)(entry->name_size < 200 ? entry->name_size : 200), entry->name, fault);
    size_t start = to->size;
    buffer_grow(to, TREE_LENGTH_SIZE);
    encode_body(to, entry);
    size_t length = to->size - start - TREE_LENGTH_SIZE;
    if (length - entry->chunk_count * ID_SIZE > TREE_ENTRY_BYTES_MAX) {
        to->size = start;
        return err_set(err, ERR_INVALID,
                       "\"%.*s\" cannot be stored: its attributes and extents take %zu bytes",
                       (int)(entry->name_size < 200 ? entry->name_size : 200), entry->name, length);
    }
    struct writer w;
    writer_init(&w, to->bytes + start, TREE_LENGTH_SIZE);
    write_u32(&w, (uint32_t)length);
    assert(length <= TREE_ENTRY_LENGTH_MAX);
    return 0;
}
