/* file_state.h - what the last store of a set of paths saw, so that the next one reads only what
 * changed.
 *
 * For each folder, in the order of names: a file's size, times and inode, its entry in the tree as
 * it was encoded, and the packs that its chunks are in. Packs are listed in the file itself, so it
 * stands alone: a cache that was deleted and filled anew does not make it wrong. It may be deleted
 * at any time; damaged parts are treated as not there (cli/FORMAT.md has the table).
 *
 * Files refer to packs through `places`: small numbers given out while a store runs, when the pack
 * that a chunk is going to be in has no id yet.
 *
 *   Errors   ERR_NOT_FOUND, ERR_FORMAT, ERR_VERSION, ERR_DAMAGED: then there is just no state
 *   Memory   the table of pieces (32 bytes each: at least one a folder) and, for a cursor, one
 *            piece: about FILE_STATE_PIECE_BYTES, or its last entry where that is larger
 *   Threads  a state is read-only, any; a cursor or a writer one at a time
 */
#ifndef ECBAK_CLI_HOME_FILE_STATE_H
#define ECBAK_CLI_HOME_FILE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/base/buffer.h"
#include "cli/files/walk.h"
#include "coding/base/bytes.h"
#include "coding/base/err.h"
#include "coding/base/id.h"

#define FILE_STATE_KEY_SIZE    16
#define FILE_STATE_PIECE_BYTES (256u * 1024) /* a piece is ended when it has this many */

/* The key of a folder: a hash of its path. */
void file_state_key(uint8_t key[FILE_STATE_KEY_SIZE], const char *path);

struct file_state_entry {
    const char *name; /* not NUL-terminated */
    size_t name_size;
    uint64_t size, inode, device;
    int64_t mtime_s, ctime_s;
    uint32_t mtime_ns, ctime_ns, mode;
    bool trusted; /* false: looked at too soon after a change; read it again */
    const uint8_t *encoded;
    size_t encoded_size;
    const uint8_t *places; /* u32 each: see file_state_place */
    size_t place_count;
};

/* ---- reading --------------------------------------------------------------------------------- */

struct file_state;
int file_state_open(struct file_state **state, const char *path, struct err *err) MUST_CHECK;
void file_state_close(struct file_state **state);
/* The packs that files rely on, numbered from 0. */
size_t file_state_pack_count(const struct file_state *state);
const struct pack_id *file_state_pack(const struct file_state *state, size_t i);
/* The number of the pack of an entry's place i; UINT32_MAX: none. */
uint32_t file_state_place(const struct file_state *state, const struct file_state_entry *entry,
                          size_t i);
/* Nothing that matters changed since. */
bool file_state_entry_same(const struct file_state_entry *entry, const struct walk_stat *stat);

struct file_state_cursor {
    const struct file_state *state;
    uint8_t key[FILE_STATE_KEY_SIZE];
    uint32_t piece; /* the next one */
    struct buffer buffer;
    struct reader reader;
    struct file_state_entry entry; /* the current one, when `valid` */
    bool valid;
};
/* Goes to a folder's first entry; state may be NULL. */
void file_state_cursor_init(struct file_state_cursor *cursor, const struct file_state *state,
                            const char *path);
void file_state_cursor_release(struct file_state_cursor *cursor);
/* Goes on to `name` or the first entry behind it; true when it is there (cursor->entry). Names must
 * be asked for in rising order. */
bool file_state_cursor_find(struct file_state_cursor *cursor, const char *name);

/* ---- writing --------------------------------------------------------------------------------- */

/* What a store made of one entry of a folder: its encoding in the tree, and the places of its
 * chunks, as they were given out. */
struct stored_entry {
    uint8_t *encoded; /* malloc'd; NULL: left out of the snapshot */
    uint32_t encoded_size;
    uint32_t place_count;
    uint32_t *places; /* malloc'd */
    bool trusted;     /* the next store may rely on its times */
};

/* Appends it to a piece. */
void file_state_append(struct buffer *piece, const char *name, const struct walk_stat *stat,
                       const struct stored_entry *entry);

/* The packs that places stand for. */
struct file_state_packs {
    uint32_t *pack_of_place; /* a number below pack_count, or UINT32_MAX */
    size_t place_count;
    struct pack_id *ids;
    size_t pack_count;
};
void file_state_packs_release(struct file_state_packs *packs);

struct file_state_writer;
/* Writes to path + ".new". */
int file_state_writer_new(struct file_state_writer **writer, const char *path,
                          struct err *err) MUST_CHECK;
/* The folder's next piece. What cannot be written is told by file_state_writer_finish: it must not
 * end a store. */
void file_state_writer_add(struct file_state_writer *writer, const uint8_t key[FILE_STATE_KEY_SIZE],
                           uint32_t number, const struct buffer *piece);
/* Replaces the file at path. */
int file_state_writer_finish(struct file_state_writer **writer,
                             const struct file_state_packs *packs, struct err *err) MUST_CHECK;
/* Gives up what was written. */
void file_state_writer_destroy(struct file_state_writer **writer);

#endif
