/* A file is taken as it is between two looks at it. When the second look differs, it may only have
 * grown, as every log does: then what it was when it was opened is read once more, and when that is
 * the same, it is good. Else the file is read again once, and then taken as it was read.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/store/pipeline_internal.h"
#include "coding/base/alloc.h"

#define FILE_WINDOW (2 * CHUNK_BYTES_MAX)
#define EXTENTS_MAX 4096 /* beyond, the rest of a file counts as one run of data */
#define ATTEMPTS    2
#define DIGEST_SIZE 32

/* The data of a file, hole by hole left out, as one stream. */
struct source {
    int fd;
    const struct tree_extent *extents;
    size_t extent_count, at;
    uint64_t done;            /* of extents[at] */
    bool exact;               /* there are holes: what is missing at the end is read as zeros */
    struct tree_extent whole; /* without holes: the only extent */
    bool ended;               /* there is nothing beyond the extents that counts */
    bool size_untold;         /* more was read than the file is said to have */
};

static bool source_at_end(const struct source *source)
{
    return source->at >= source->extent_count && (source->exact || source->ended);
}

/* Beyond the size that was said: what a file has there belongs to it (those of /proc are said to be
 * empty), unless the file is larger by now, which is what others appended meanwhile. */
static int read_beyond(struct source *source, uint8_t *to, size_t room, size_t *got,
                       struct err *err)
{
    struct stat now;
    ssize_t read;
    do
        read = pread(source->fd, to, room, (off_t)source->whole.size);
    while (read < 0 && errno == EINTR);
    if (read < 0)
        return err_errno(err, "reading");
    if (read > 0 && fstat(source->fd, &now) != 0)
        return err_errno(err, "looking at it");
    source->ended =
        read == 0 || (!source->size_untold && (uint64_t)now.st_size > source->whole.size);
    *got = source->ended ? 0 : (size_t)read;
    source->size_untold = source->size_untold || *got > 0;
    source->whole.size += *got;
    return 0;
}

/* Fills up to `want` bytes; fewer only at the end. */
static int source_read(struct source *source, uint8_t *to, size_t want, size_t *got,
                       struct err *err)
{
    *got = 0;
    while (*got < want && source->at < source->extent_count) {
        const struct tree_extent *extent = &source->extents[source->at];
        uint64_t left = extent->size - source->done;
        size_t size = want - *got < left ? want - *got : (size_t)left;
        ssize_t read =
            size > 0 ? pread(source->fd, to + *got, size, (off_t)(extent->offset + source->done))
                     : 0;
        if (read < 0 && errno == EINTR)
            continue;
        if (read < 0)
            return err_errno(err, "reading");
        if (read == 0 && source->exact && size > 0) {
            memset(to + *got, 0, size);
            read = (ssize_t)size;
        }
        *got += (size_t)read;
        source->done += (uint64_t)read;
        if (read == 0 || source->done == extent->size) {
            source->at++;
            source->done = 0;
        }
    }
    while (*got < want && !source_at_end(source)) {
        size_t more = 0;
        if (read_beyond(source, to + *got, want - *got, &more, err) != 0)
            return -1;
        *got += more;
    }
    return 0;
}

static int add_chunk(struct store_worker *worker, const uint8_t *bytes, size_t size,
                     struct err *err)
{
    struct chunk_id id;
    uint32_t place;
    packing_id(worker->packing, bytes, size, &id);
    if (packing_add(worker->packing, CHUNK_DATA, bytes, size, &id, &place, err) != 0) {
        failure_set(&worker->pipeline->failure, err);
        return -1;
    }
    buffer_append(&worker->ids, id.bytes, sizeof(id));
    buffer_append(&worker->places, &place, sizeof(place));
    atomic_fetch_add(&worker->pipeline->progress->bytes, size);
    return 0;
}

/* Cuts the whole source into chunks; *size gets the number of bytes. */
static int read_chunks(struct store_worker *worker, struct source *source, uint64_t *size,
                       struct err *err)
{
    size_t filled = 0, got;
    *size = 0;
    if (worker->window == NULL && (worker->window = alloc_large(FILE_WINDOW, err)) == NULL)
        return -1;
    do {
        if (source_read(source, worker->window + filled, FILE_WINDOW - filled, &got, err) != 0)
            return -1;
        bool end = source_at_end(source);
        filled += got;
        *size += got;
        size_t at = 0;
        while (filled - at >= CHUNK_BYTES_MAX || (end && at < filled)) {
            size_t cut = chunker_cut(&worker->pipeline->chunker, worker->window + at, filled - at);
            if (add_chunk(worker, worker->window + at, cut, err) != 0)
                return -1;
            at += cut;
        }
        memmove(worker->window, worker->window + at, filled - at);
        filled -= at;
        if (end)
            break;
    } while (!failure_met(&worker->pipeline->failure));
    return 0;
}

/* The runs of data of a file that takes less room than it has bytes. */
static size_t find_extents(struct store_worker *worker, int fd, uint64_t size)
{
    if (worker->extents == NULL)
        worker->extents = alloc_zero(EXTENTS_MAX, sizeof(worker->extents[0]));
    size_t count = 0;
    off_t at = 0;
    while ((uint64_t)at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        if (data < 0)
            data = at;
        off_t hole = count + 1 < EXTENTS_MAX ? lseek(fd, data, SEEK_HOLE) : -1;
        if (hole <= data || (uint64_t)hole > size)
            hole = (off_t)size;
        if ((uint64_t)data >= size)
            break;
        worker->extents[count++] = (struct tree_extent){(uint64_t)data, (uint64_t)(hole - data)};
        at = hole;
    }
    return count;
}

/* Reads the file once, as far as stat has its size. */
static int read_once(struct store_worker *worker, int fd, const struct walk_stat *stat,
                     struct tree_entry *entry, bool *size_untold, struct err *err)
{
    struct source source = {.fd = fd, .whole = {0, stat->size}};
    source.extents = &source.whole;
    source.extent_count = stat->size > 0 ? 1 : 0;
    worker->ids.size = worker->places.size = 0;
    entry->extents = NULL;
    entry->extent_count = 0;
    if (stat->blocks * 512 < stat->size) {
        size_t count = find_extents(worker, fd, stat->size);
        bool whole = count == 1 && worker->extents[0].size == stat->size;
        if (!whole) {
            source.extents = worker->extents;
            source.extent_count = count;
            source.exact = true;
            entry->extents = worker->extents;
            entry->extent_count = count;
        }
    }
    uint64_t size;
    if (read_chunks(worker, &source, &size, err) != 0)
        return -1;
    entry->size = source.exact ? stat->size : size;
    *size_untold = entry->size != stat->size;
    return 0;
}

static bool same_contents(const struct walk_stat *a, const struct walk_stat *b)
{
    return a->size == b->size && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
           a->ctime_s == b->ctime_s && a->ctime_ns == b->ctime_ns;
}

static int look(int fd, struct walk_stat *stat, struct err *err)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return err_errno(err, "looking at it");
    walk_stat_of(stat, &found);
    return 0;
}

/* What a reading gave. */
static void digest(uint8_t hash[DIGEST_SIZE], const struct store_worker *worker,
                   const struct tree_entry *entry)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
    crypto_generichash_update(&state, (const uint8_t *)&entry->size, sizeof(entry->size));
    crypto_generichash_update(&state, (const uint8_t *)entry->extents,
                              entry->extent_count * sizeof(entry->extents[0]));
    crypto_generichash_update(&state, worker->ids.bytes, worker->ids.size);
    crypto_generichash_final(&state, hash, DIGEST_SIZE);
}

/* Did the file change behind what was read only? That is read again, and must be the same. */
static int only_grew(struct store_worker *worker, int fd, const struct walk_stat *stat,
                     struct tree_entry *entry, bool *grew, struct err *err)
{
    uint8_t before[DIGEST_SIZE], after[DIGEST_SIZE];
    struct walk_stat now;
    bool size_untold;
    digest(before, worker, entry);
    if (read_once(worker, fd, stat, entry, &size_untold, err) != 0 || look(fd, &now, err) != 0)
        return -1;
    digest(after, worker, entry);
    *grew = memcmp(before, after, DIGEST_SIZE) == 0 && now.size >= stat->size;
    return 0;
}

int contents_read(struct store_worker *worker, int fd, struct walk_stat *stat,
                  struct tree_entry *entry, struct contents *contents, struct err *err)
{
    struct walk_stat after;
    bool checked = false;
    *contents = (struct contents){.steady = false};
    for (int attempt = 0; attempt < ATTEMPTS && !contents->grew; attempt++) {
        if (look(fd, stat, err) != 0)
            return -1;
        if (!S_ISREG(stat->mode))
            return err_set(err, ERR_IO, "it was replaced by something else meanwhile");
        if (read_once(worker, fd, stat, entry, &contents->size_untold, err) != 0 ||
            look(fd, &after, err) != 0)
            return -1;
        contents->steady = same_contents(stat, &after);
        if (contents->steady)
            return 0;
        if (after.size > stat->size && !checked) {
            checked = true;
            if (only_grew(worker, fd, stat, entry, &contents->grew, err) != 0)
                return -1;
        }
    }
    return 0;
}
