/* The fragment says itself how long it is, so the trailer is found behind it. To look at a file
 * without its row, memory for the whole fragment is taken but the row's part of it never touched. */
#include "node/store/fragment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coding/base/alloc.h"

static int read_at(int fd, uint8_t *to, size_t size, uint64_t offset, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, to + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EIO)
            return err_set(err, ERR_DAMAGED, "the disk cannot read it");
        if (got < 0)
            return err_errno(err, "reading");
        if (got == 0)
            return err_set(err, ERR_FORMAT, "truncated");
        done += (size_t)got;
    }
    return 0;
}

static int read_fragment(struct fragment_file *file, int fd, bool whole, struct err *err)
{
    uint8_t header[FRAGMENT_HEADER_SIZE];
    if (read_at(fd, header, sizeof(header), 0, err) != 0 ||
        fragment_total_size(header, sizeof(header), &file->size, err) != 0)
        return -1;
    if (file->size >= file->file_bytes)
        return err_set(err, ERR_FORMAT, "truncated");
    file->bytes = alloc_large(file->size, err);
    if (file->bytes == NULL)
        return -1;
    size_t wanted = file->size;
    if (!whole && wanted > FRAGMENT_HEAD_MAX)
        wanted = FRAGMENT_HEAD_MAX;
    if (read_at(fd, file->bytes, wanted, 0, err) != 0 ||
        fragment_parse(&file->fragment, file->bytes, file->size, err) != 0)
        return -1;
    return whole ? fragment_verify(&file->fragment, err) : 0;
}

static int read_trailer(struct fragment_file *file, int fd, struct err *err)
{
    uint64_t size = file->file_bytes - file->size;
    if (size > sizeof(file->trailer_bytes))
        return err_set(err, ERR_FORMAT, "%llu bytes follow the fragment: no trailer has so many",
                       (unsigned long long)size);
    if (read_at(fd, file->trailer_bytes, (size_t)size, file->size, err) != 0 ||
        trailer_decode(&file->trailer, file->trailer_bytes, (size_t)size, err) != 0)
        return -1;
    if (file->trailer.fragment_size != file->size)
        return err_set(err, ERR_FORMAT, "the trailer is of another fragment");
    return 0;
}

int fragment_file_read(struct fragment_file *file, const char *path, bool whole, struct err *err)
{
    struct stat status;
    file->bytes = NULL;
    file->inode = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, "opening %s", path);
    int result = -1;
    if (fstat(fd, &status) != 0) {
        err_errno(err, "looking at");
    } else {
        file->inode = status.st_ino;
        file->file_bytes = (uint64_t)status.st_size;
        if (read_fragment(file, fd, whole, err) == 0)
            result = read_trailer(file, fd, err);
    }
    close(fd);
    return result == 0 ? 0 : err_context(err, "%s", path);
}

void fragment_file_release(struct fragment_file *file)
{
    free(file->bytes);
    file->bytes = NULL;
}

void fragment_file_info(struct fragment_info *info, const struct fragment *fragment,
                        const struct opened_grant *grant, const struct node_id *bringer,
                        uint64_t file_bytes)
{
    const struct object_shape *shape = &fragment->object.shape;
    memset(info, 0, sizeof(*info));
    info->key = (struct fragment_key){grant->grant.vault, fragment->object_id, fragment->index};
    info->writer = grant->grant.writer;
    info->by_reader = (grant->writer.rights & RIGHT_READ) != 0;
    info->pack = fragment->object.pack_id;
    info->bringer = *bringer;
    info->sponsor = grant->grant.sponsor;
    info->data = shape->k;
    info->parity = shape->m;
    info->pack_bytes = shape->pack_size;
    info->file_bytes = file_bytes;
}
