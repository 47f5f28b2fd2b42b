/* heads.h - the newest record of each writer that this machine has seen.
 *
 * A text file `heads` in the vault's folder, a line each: writer, number, hash. Without it a
 * roll-back is not noticed; nothing else depends on it. Any number of commands may read and write it
 * at the same time.
 *
 *   Errors   ERR_IO, and those of node/common/durable.h
 *   Memory   heads_release
 *   Threads  one at a time for one vault
 */
#ifndef ECBAK_CLI_HOME_HEADS_H
#define ECBAK_CLI_HOME_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

struct head {
    struct writer_id writer;
    uint64_t number;
    struct record_id hash;
};

struct heads {
    struct head *heads;
    size_t count;
    bool changed; /* since heads_load */
};

/* None when there is no file; lines that make no sense are left out. */
int heads_load(struct heads *heads, const char *dir, struct err *err) MUST_CHECK;
/* Remembers it when it is newer than what is known of its writer. */
void heads_see(struct heads *heads, const struct head *head);
/* Writes the file, durably, when something changed. What others have written since heads_load stays
 * where it is newer. */
int heads_save(const struct heads *heads, const char *dir, struct err *err) MUST_CHECK;
void heads_release(struct heads *heads);

#endif
