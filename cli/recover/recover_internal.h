/* recover_internal.h - what the parts of a running recover share.
 *
 *   recover.c        the order of things: index, paths, threads, outcome
 *   recover_tree.c   one thread reads the snapshot's folders, makes them, and plans files
 *   recover_order.c  what is planned is given out pack by pack
 *   recover_files.c  worker threads write files
 *   recover_there.c  or compare what is there
 *   recover_dest.c   folders and names below DIR: nothing is followed, nothing is left half-made
 *   recover_target.c DIR itself, and which folders root does not trust
 *   recover_links.c  names that share an inode
 *   recover_flags.c  flags (chattr), which come last
 *   remote/fetcher.c, remote/chunk_reader.c  packs and chunks
 */
#ifndef ECBAK_CLI_RECOVER_RECOVER_INTERNAL_H
#define ECBAK_CLI_RECOVER_RECOVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "cli/base/failure.h"
#include "cli/base/id_map.h"
#include "cli/base/work_queue.h"
#include "cli/files/attributes.h"
#include "cli/files/inode_flags.h"
#include "cli/recover/recover.h"
#include "cli/remote/chunk_reader.h"
#include "cli/vault/tree.h"

#define RECOVER_THREADS_MAX 4 /* each has two segments open */
#define FOLDER_FLAGS        (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define FOLDER_UNFINISHED   01700 /* the mode of a folder until it has its attributes */
#define TEMPORARY_MAX       40    /* a temporary name */

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

/* A file that is planned or being written, by one thread or by several. */
struct output_file {
    struct dest *dest;        /* a token of it is held */
    struct tree_entry *entry; /* a copy */
    struct hard_link *link;   /* other names wait for it; NULL: none can */
    bool there;               /* an earlier run wrote it: it is compared, and not written */
    pthread_mutex_t lock;     /* guards what follows */
    int fd;                   /* -1: not open, now or yet */
    unsigned users;           /* threads that are writing to it */
    bool failed;
    enum err_code why; /* it failed */
    char temporary[TEMPORARY_MAX];
    dev_t device; /* of the file that `temporary` names */
    ino_t inode;
    _Atomic size_t places; /* not yet written, and one while they are being planned */
};

/* Where one chunk of a file comes from, and where it goes. */
struct place {
    struct output_file *output;
    uint64_t to;    /* in the stream of the file's data */
    uint32_t chunk; /* which one of the file's */
    uint32_t segment, offset, size;
};

/* A pack, and all that is planned to be read from it. */
struct order_pack {
    struct pack_id id;
    struct fetched_pack *fetched; /* planned at the fetcher, until its last batch is done */
    struct place *places;
    size_t count, room;
    _Atomic size_t batches; /* not done, and one while they are being given out */
};

/* What is planned and not written. */
struct order {
    struct id_map numbers; /* from a pack's id to its place in packs */
    struct order_pack *packs;
    size_t pack_count, pack_room;
    struct order_pack none; /* the files without a chunk: nothing has to be fetched for them */
    size_t places, bytes;   /* that are planned; the memory that this takes */
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
    struct order order;
    int root;         /* DIR */
    bool root_fresh;  /* made by this run */
    mode_t root_mode; /* that it is to get at the end; 0: it keeps its own */
    char **paths;     /* wanted, as "/a/b"; none: everything */
    size_t path_count;
    struct attributes_policy policy;
    uid_t uid;
    gid_t gid;
    bool wary;    /* root's: somebody else may be at work beside it, and inodes are compared */
    uint64_t run; /* random: part of temporary names */
    _Atomic uint64_t numbers;
    _Atomic uint64_t files, directories, bytes;
    _Atomic size_t folders_open, files_open;
    size_t folders_open_max, files_open_max;
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

    struct work_queue queue; /* of batches of places */
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

/* ---- recover_target.c ------------------------------------------------------------------------ */

/* Opens DIR, making it when it is not there. */
int target_open(struct recover *recover, struct err *err) MUST_CHECK;
/* May root recover into this folder that was opened? entry: of one that was there, which the
 * snapshot may have given to its owner; NULL: only our own is good. ERR_DENIED when not. */
int folder_check(struct recover_worker *worker, const struct stat *stat,
                 const struct tree_entry *entry, struct err *err) MUST_CHECK;

/* ---- recover_dest.c -------------------------------------------------------------------------- */

struct dest *dest_root(struct recover *recover);
/* Makes or enters the folder that entry describes. */
int dest_enter(struct recover_worker *worker, struct dest *parent, const struct tree_entry *entry,
               bool apply, struct dest **dest, struct err *err) MUST_CHECK;
/* Did a run that was stopped make it? */
bool folder_is_unfinished(const struct recover *recover, const struct stat *stat);
void dest_hold(struct dest *dest);
/* With the last token the folder gets its attributes, and gives back its parent's. */
void dest_drop(struct recover_worker *worker, struct dest *dest);
/* Did an earlier run write it? Told by kind, size and time. */
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
/* What the first name stands for: nothing else is linked. */
void link_set_file(struct hard_link *link, const struct stat *stat);
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

/* A file to be planned: holds a token of dest, and one place until output_done. */
struct output_file *output_new(struct dest *dest, const struct tree_entry *entry,
                               struct hard_link *link, bool there);
/* Writes chunks of one file that are in one pack, and is done with them. */
void output_write(struct recover_worker *worker, struct fetched_pack *pack,
                  const struct place *places, size_t count);
/* It will not be whole: says so, once. */
void output_fail(struct recover *recover, struct output_file *output, const struct err *err);
/* So many of its places are done; with the last one it gets its name, or is removed. */
void output_done(struct recover_worker *worker, struct output_file *output, size_t count);

/* Is at `offset` of this file what was written there? ERR_DAMAGED when not. */
int read_back(struct recover_worker *worker, int fd, const uint8_t *bytes, size_t size,
              uint64_t offset, struct err *err) MUST_CHECK;

/* ---- recover_there.c ------------------------------------------------------------------------- */

/* For a file that is there: opens it, compares some of its bytes, and what is left at the end. ERR_EXISTS
 * when it is another than the snapshot's. */
int there_open(struct recover *recover, struct output_file *output, struct err *err) MUST_CHECK;
int there_compare(struct recover_worker *worker, int fd, const uint8_t *bytes, size_t size,
                  uint64_t offset, struct err *err) MUST_CHECK;
int there_end(struct recover_worker *worker, struct output_file *output,
              struct err *err) MUST_CHECK;

/* ---- recover_order.c ------------------------------------------------------------------------- */

/* With the queue that gives batches to the threads that write. */
void order_init(struct recover *recover, unsigned threads);
void order_release(struct recover *recover);
/* Plans a file; writes what is planned when that becomes too much. there: it is only compared. */
void order_add(struct recover_worker *worker, struct dest *dest, const struct tree_entry *entry,
               struct hard_link *link, bool there);
/* Is so much planned, or are so many folders open, that it is to be written before more is? */
bool order_is_full(const struct recover *recover);
/* Writes all that is planned, and waits for it. */
void order_run(struct recover *recover);

/* ---- recover_tree.c -------------------------------------------------------------------------- */

/* Does the snapshot have this path? ERR_NOT_FOUND when not. */
int recover_find(struct recover *recover, const char *path, struct err *err) MUST_CHECK;
/* Goes through the tree; when it returns 0 and the queue has ended, all is done. */
int recover_walk(struct recover *recover, struct err *err) MUST_CHECK;

#endif
