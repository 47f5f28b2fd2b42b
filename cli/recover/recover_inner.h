/* recover_inner.h - what the parts of a running recover share. Inside of recover.
 *
 *   recover.c        the order of things: index, paths, threads, outcome
 *   recover_tree.c   one thread reads the snapshot's folders, makes them, and gives out files
 *   recover_files.c  worker threads write files
 *   recover_place.c  folders and names below DIR: nothing is followed, nothing is left half-made
 *   recover_links.c  names that share an inode
 *   fetch.c, chunk_reader.c   packs and chunks
 */
#ifndef ECBAK_CLI_RECOVER_RECOVER_INNER_H
#define ECBAK_CLI_RECOVER_RECOVER_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "cli/base/failure.h"
#include "cli/base/id_map.h"
#include "cli/files/attributes.h"
#include "cli/recover/recover.h"
#include "cli/remote/chunk_reader.h"
#include "cli/vault/tree.h"

#define RECOVER_THREADS_MAX 4
#define PART_CHUNKS         8 /* a large file is given out in parts of so many chunks */
#define BATCH_PARTS         128
#define BATCH_PART_BYTES    (1024u * 1024)
#define PART_BATCHES_MAX    24

/* A folder below DIR. It gets its attributes when everything in it is done. */
struct target {
    struct target *parent;
    int fd;
    char *path;               /* in the snapshot: "" for the root */
    char *name;               /* in its parent */
    bool fresh;               /* made by this run: nothing can be in the way */
    bool apply;               /* it is to get the attributes in entry */
    struct tree_entry *entry; /* a copy; NULL for the root */
    /* One for each file or folder in it that is not done, and one for the tree's reader. */
    _Atomic size_t tokens;
};

/* A file being written, by one thread or by several. */
struct output {
    struct target *target;    /* a token of it is held */
    struct tree_entry *entry; /* a copy */
    struct link *link;        /* other names wait for it; NULL: none can */
    pthread_mutex_t lock;     /* guards fd and failed while it is being made */
    int fd;
    char temporary[40];
    _Atomic size_t parts; /* not yet written */
    bool failed;
};

/* Consecutive chunks of one file. */
struct part {
    struct output *output;
    uint64_t offset; /* of its first chunk, in the stream of the file's data */
    struct chunk_source *chunks;
    size_t count;
};

struct part_batch {
    struct part_batch *next;
    struct part parts[BATCH_PARTS];
    size_t count;
    uint64_t bytes;
};

struct recover {
    const struct recover_options *options;
    struct vault *vault;
    const struct snapshot *snapshot;
    struct job_progress *progress;
    const struct job_report *report;
    struct recover_result *result;
    pthread_mutex_t report_lock;
    struct failure failure;
    struct cache *cache;
    struct fetch *fetch;
    int root;     /* DIR */
    char **paths; /* wanted, as "/a/b"; none: everything */
    size_t path_count;
    struct attributes_policy policy;
    uid_t uid;
    gid_t gid;
    uint64_t run; /* random: part of temporary names */
    _Atomic uint64_t numbers;
    _Atomic uint64_t files, directories, bytes;
    _Atomic bool damaged, lost;

    pthread_mutex_t link_lock;
    struct id_map link_numbers;
    struct link **links;
    size_t link_count;

    pthread_mutex_t work_lock;
    pthread_cond_t work_more, work_less;
    struct part_batch *batches, **batches_end;
    size_t batch_count;
    bool work_ended;
    pthread_t workers[RECOVER_THREADS_MAX];
    unsigned worker_count, thread_count;
};

/* What a thread owns. */
struct writer_hand {
    struct recover *recover;
    struct attributes *attributes;
    struct chunk_reader chunks;
    uint8_t *back; /* for --verify */
};
void writer_hand_init(struct writer_hand *hand, struct recover *recover);
void writer_hand_release(struct writer_hand *hand);

/* Tells the user of something that is not recovered whole, and notes what kind of trouble it was. */
void recover_problem(struct recover *recover, const struct target *target, const char *name,
                     size_t name_size, const struct err *err);
/* One malloc'd block. */
struct tree_entry *entry_copy(const struct tree_entry *entry);

/* ---- recover_place.c ------------------------------------------------------------------------- */

struct target *target_root(struct recover *recover);
/* Makes or enters the folder that entry describes. */
int target_enter(struct recover *recover, struct target *parent, const struct tree_entry *entry,
                 bool apply, struct target **target, struct err *err) MUST_CHECK;
void target_hold(struct target *target);
/* With the last token the folder gets its attributes, and gives back its parent's. */
void target_drop(struct writer_hand *hand, struct target *target);
/* Is something in the way of this name, that must not be replaced? */
int target_is_free(struct recover *recover, const struct target *target, const char *name,
                   struct err *err) MUST_CHECK;
void temporary_name(struct recover *recover, char name[40]);
/* Gives a finished temporary its name; removes it on failure. */
int target_publish(struct recover *recover, const struct target *target, const char *temporary,
                   const char *name, struct err *err) MUST_CHECK;
/* The open folder of a target, reached from DIR anew without following links; -1 with err. */
int target_reopen(struct recover *recover, const char *path, struct err *err) MUST_CHECK;
/* Makes a symbolic link, fifo, device or socket. */
int target_special(struct writer_hand *hand, struct target *target, const struct tree_entry *entry,
                   struct err *err) MUST_CHECK;

/* ---- recover_links.c ------------------------------------------------------------------------- */

/* Another name of an inode that was met before: links it now, or as soon as the first one is
 * written, and returns true. False: this is the first; *link is to be given to link_finish. */
bool link_join(struct recover *recover, struct target *target, const struct tree_entry *entry,
               struct link **link);
/* The first name is written (or not): do the same for those that wait. */
void link_finish(struct writer_hand *hand, struct link *link, bool good);
void links_release(struct recover *recover);

/* ---- recover_files.c ------------------------------------------------------------------------- */

int writers_start(struct recover *recover, struct err *err) MUST_CHECK;
/* Plans a file's chunks and gives it out, batch by batch. */
void writers_add(struct recover *recover, struct part_batch **batch, struct target *target,
                 const struct tree_entry *entry, struct link *link);
void writers_give(struct recover *recover, struct part_batch **batch);
void writers_end(struct recover *recover);

/* ---- recover_tree.c -------------------------------------------------------------------------- */

/* Does the snapshot have this path? ERR_NOT_FOUND when not. */
int recover_find(struct recover *recover, const char *path, struct err *err) MUST_CHECK;
/* Goes through the tree; when it returns 0 and the writers have ended, all is done. */
int recover_walk(struct recover *recover, struct err *err) MUST_CHECK;

#endif
