/* recover_internal.h - what the parts of a running recover share.
 *
 *   recover.c        the order of things: index, paths, threads, outcome
 *   recover_tree.c   one thread reads the snapshot's folders, makes them, and gives out files
 *   recover_files.c  worker threads write files
 *   recover_dest.c   folders and names below DIR: nothing is followed, nothing is left half-made
 *   recover_links.c  names that share an inode
 *   recover_flags.c  flags (chattr), which come last
 *   remote/fetcher.c, remote/chunk_reader.c  packs and chunks
 */
#ifndef ECBAK_CLI_RECOVER_RECOVER_INTERNAL_H
#define ECBAK_CLI_RECOVER_RECOVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "cli/base/failure.h"
#include "cli/base/id_map.h"
#include "cli/base/work_queue.h"
#include "cli/files/attributes.h"
#include "cli/files/inode_flags.h"
#include "cli/recover/recover.h"
#include "cli/remote/chunk_reader.h"
#include "cli/vault/tree.h"

#define RECOVER_THREADS_MAX 4  /* each has a few segments open */
#define TEMPORARY_MAX       40 /* a temporary name */
#define PART_CHUNKS         8  /* a large file is given out in parts of so many chunks */
#define BATCH_PARTS         128
#define BATCH_PART_BYTES    (1024u * 1024)
#define PART_BATCHES_MAX    24

/* A folder below DIR. It gets its attributes when everything in it is done. */
struct dest {
    struct dest *parent;
    int fd;
    char *path;               /* in the snapshot: "" for the root */
    bool fresh;               /* made by this run: nothing can be in the way */
    bool apply;               /* it is to get the attributes in entry */
    struct tree_entry *entry; /* a copy; NULL for the root */
    /* One for each file or folder in it that is not done, and one for the tree's reader. */
    _Atomic size_t tokens;
};

/* A file being written, by one thread or by several. */
struct output_file {
    struct dest *dest;        /* a token of it is held */
    struct tree_entry *entry; /* a copy */
    struct hard_link *link;   /* other names wait for it; NULL: none can */
    pthread_mutex_t lock;     /* guards fd and failed while it is being made */
    int fd;
    char temporary[TEMPORARY_MAX];
    _Atomic size_t parts; /* not yet written */
    bool failed;
    enum err_code why; /* it failed */
};

/* Consecutive chunks of one file. */
struct part {
    struct output_file *output;
    uint64_t offset; /* of its first chunk, in the stream of the file's data */
    struct chunk_source *chunks;
    size_t count;
};

struct part_batch {
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
    struct fetcher *fetcher;
    int root;     /* DIR */
    char **paths; /* wanted, as "/a/b"; none: everything */
    size_t path_count;
    struct attributes_policy policy;
    uid_t uid;
    gid_t gid;
    uint64_t run; /* random: part of temporary names */
    _Atomic uint64_t numbers;
    _Atomic uint64_t files, directories, bytes;
    _Atomic bool damaged, full, too_few, refused; /* what kinds of trouble there were */
    struct err missing;     /* an index that could not be read; ERR_NONE: none */
    uint64_t index_corrupt; /* damaged fragments of indexes */

    /* Under report_lock: flags that could not be set, of how many files and folders, and one of
     * them. */
    uint32_t flags_refused;
    uint64_t flags_refused_count;
    char *flags_refused_first;

    pthread_mutex_t link_lock;
    struct id_map link_numbers;
    struct hard_link **links;
    size_t link_count;

    struct work_queue queue; /* of batches of parts */
};

/* What a thread owns. */
struct recover_worker {
    struct recover *recover;
    struct attributes *attributes;
    struct chunk_reader chunks;
    uint8_t *back; /* for --verify */
};
void recover_worker_init(struct recover_worker *worker, struct recover *recover);
void recover_worker_release(struct recover_worker *worker);

/* Tells the user of something that is not recovered whole, and notes what kind of trouble it
 * was. */
void recover_problem(struct recover *recover, const struct dest *dest, const char *name,
                     size_t name_size, const struct err *err);
/* The entry's name, with a NUL at its end. */
void entry_name(char name[TREE_NAME_MAX + 1], const struct tree_entry *entry);
/* One malloc'd block. */
struct tree_entry *entry_copy(const struct tree_entry *entry);

/* ---- recover_dest.c -------------------------------------------------------------------------- */

struct dest *dest_root(struct recover *recover);
/* Makes or enters the folder that entry describes. */
int dest_enter(struct recover *recover, struct dest *parent, const struct tree_entry *entry,
               bool apply, struct dest **dest, struct err *err) MUST_CHECK;
void dest_hold(struct dest *dest);
/* With the last token the folder gets its attributes, and gives back its parent's. */
void dest_drop(struct recover_worker *worker, struct dest *dest);
/* Did an earlier run write it? Told by kind, size and time, when nothing more is asked for. */
bool dest_has(const struct recover *recover, const struct dest *dest,
              const struct tree_entry *entry);
/* One more file is there, which this run did not have to write. */
void dest_count(struct recover *recover, const struct tree_entry *entry);
/* Is something in the way of this name, that must not be replaced? */
int dest_is_free(struct recover *recover, const struct dest *dest, const char *name,
                 struct err *err) MUST_CHECK;
void temporary_name(struct recover *recover, char name[TEMPORARY_MAX]);
/* Gives a finished temporary its name; removes it on failure. */
int dest_publish(struct recover *recover, const struct dest *dest, const char *temporary,
                 const char *name, struct err *err) MUST_CHECK;
/* The open folder of a dest, reached from DIR anew without following links; -1 with err. */
int dest_reopen(struct recover *recover, const char *path, struct err *err) MUST_CHECK;
/* Makes a symbolic link, fifo, device or socket. */
int dest_special(struct recover_worker *worker, struct dest *dest, const struct tree_entry *entry,
                 struct err *err) MUST_CHECK;

/* ---- recover_links.c ------------------------------------------------------------------------- */

/* Another name of an inode that was met before: links it now, or as soon as the first one is
 * written, and returns true. False: this is the first; *link is to be given to link_finish. */
bool link_join(struct recover *recover, struct dest *dest, const struct tree_entry *entry,
               struct hard_link **link);
/* The first name is written, or not, and why: do the same for those that wait. */
void link_finish(struct recover_worker *worker, struct hard_link *link, enum err_code why);
/* The first name was there already, and stays as it is: the next one that is met is the first. */
void link_pass(struct recover *recover, struct hard_link *link);
/* Puts on the flags that lock an inode, when all names are made. */
void links_lock(struct recover *recover);
void links_release(struct recover *recover);

/* ---- recover_flags.c ------------------------------------------------------------------------- */

/* Adds flags to an open file or folder, and counts it when it does not take them all. */
void flags_put(struct recover *recover, const char *folder, const char *name, size_t name_size,
               int fd, uint32_t flags);
/* The same for a file that an earlier run wrote, and may not have locked. */
void flags_complete(struct recover *recover, const struct dest *dest, const char *name,
                    uint32_t flags);
/* Which flag locks what has this name ("": the folder itself), and how that is ended; NULL: none. */
const char *flags_lock(int folder, const char *name);
/* err_errno(err, doing), or in plain words when it is a flag that forbids it: of what has this name
 * (NULL: nothing is to be replaced), or of the folder. */
int flags_refusal(const struct dest *dest, const char *name, const char *doing, struct err *err);

/* ---- recover_files.c ------------------------------------------------------------------------- */

/* The queue that gives batches to the threads that write. */
void writers_init(struct recover *recover, unsigned threads);
/* Plans a file's chunks and gives it out, batch by batch. */
void writers_add(struct recover *recover, struct part_batch **batch, struct dest *dest,
                 const struct tree_entry *entry, struct hard_link *link);
/* What was added and is not given out yet. */
void writers_give(struct recover *recover, struct part_batch **batch);

/* ---- recover_tree.c -------------------------------------------------------------------------- */

/* Does the snapshot have this path? ERR_NOT_FOUND when not. */
int recover_find(struct recover *recover, const char *path, struct err *err) MUST_CHECK;
/* Goes through the tree; when it returns 0 and the queue has ended, all is done. */
int recover_walk(struct recover *recover, struct err *err) MUST_CHECK;

#endif
