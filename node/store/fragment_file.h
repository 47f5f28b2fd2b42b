/* fragment_file.h - a fragment on disk: the fragment as it travelled, then its trailer.
 *
 *   Errors   those of fragment.h and trailer.h; ERR_NOT_FOUND; ERR_IO; ERR_MEMORY
 *   Memory   fragment_file_release; `bytes` may be taken by setting it to NULL
 *   Threads  any
 */
#ifndef ECBAK_NODE_STORE_FRAGMENT_FILE_H
#define ECBAK_NODE_STORE_FRAGMENT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "coding/base/err.h"
#include "coding/fragment.h"
#include "node/store/store.h"
#include "node/store/trailer.h"

struct fragment_file {
    uint8_t *bytes; /* the fragment; its row is only there when the whole was read */
    size_t size;    /* of the fragment, row included */
    uint64_t file_bytes;
    ino_t inode; /* 0: it could not be opened */
    struct fragment fragment;
    struct trailer trailer;
    uint8_t trailer_bytes[TRAILER_SIZE_MAX];
};

/* Reads and checks all but the row. whole: reads the row too and checks that. Also on error `inode`
 * is set and the file is to be released. */
int fragment_file_read(struct fragment_file *file, const char *path, bool whole,
                       struct err *err) MUST_CHECK;
void fragment_file_release(struct fragment_file *file);

/* What the catalogue keeps of it. */
void fragment_file_info(struct fragment_info *info, const struct fragment *fragment,
                        const struct opened_grant *grant, const struct node_id *bringer,
                        uint64_t file_bytes);

#endif
