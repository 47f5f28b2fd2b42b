/* The first name of an inode that is met is written like any file; later ones become links to it,
 * now or when it is written. When the first is there already and may not be replaced, the next takes its
 * part. An inode is told by its number and by what it holds, so that two
 * files that happen to have one number do not become one.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"

enum link_state { LINK_WAITING, LINK_GOOD, LINK_BAD, LINK_PASSED };

struct waiting_name {
    struct waiting_name *next;
    struct dest *dest; /* a token is held */
    uint64_t bytes;
    char name[TREE_NAME_MAX + 1];
};

struct hard_link {
    enum link_state state;
    enum err_code why; /* LINK_BAD */
    uint32_t flags;    /* that lock it: for when all names are made */
    char *folder;      /* the dest's path */
    char name[TREE_NAME_MAX + 1];
    struct waiting_name *waiting;
    struct stat file; /* as this run wrote it, when it is wary; st_ino 0: it did not */
};

static void inode_key(uint8_t key[ID_SIZE], const struct tree_entry *entry)
{
    crypto_generichash_state state;
    uint64_t numbers[5] = {entry->hard_link, entry->kind, entry->size, (uint64_t)entry->mtime_s,
                           entry->mtime_ns};
    crypto_generichash_init(&state, NULL, 0, ID_SIZE);
    crypto_generichash_update(&state, (const uint8_t *)numbers, sizeof(numbers));
    for (size_t i = 0; i < entry->chunk_count; i++)
        crypto_generichash_update(&state, entry->chunks[i].bytes, ID_SIZE);
    crypto_generichash_update(&state, (const uint8_t *)entry->target, entry->target_size);
    crypto_generichash_final(&state, key, ID_SIZE);
}

void link_set_file(struct hard_link *link, const struct stat *stat)
{
    link->file = *stat;
}

/* An inode's number can belong to another file soon after: what only root could give to that, its
 * owner, tells them apart, and what it holds those of one owner. */
static bool is_as_written(const struct stat *file, const struct stat *now)
{
    return file->st_dev == now->st_dev && file->st_ino == now->st_ino &&
           file->st_uid == now->st_uid && file->st_size == now->st_size &&
           file->st_mtim.tv_sec == now->st_mtim.tv_sec &&
           file->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* It is forbidden by a flag of the file, or of the folder that the link is to be in. */
static int link_refusal(const struct hard_link *link, int folder, const struct dest *dest,
                        struct err *err)
{
    int number = errno;
    const char *lock = number == EPERM ? flags_lock(folder, link->name) : NULL;
    if (lock != NULL)
        return err_set(err, ERR_IO, "its other name %s is %s", link->name, lock);
    errno = number;
    return flags_refusal(dest, NULL, "linking it to its other name", err);
}

/* Links the file of this folder, unless somebody gave its name to another one. */
static int link_to(const struct hard_link *link, int folder, const struct dest *dest,
                   const char *temporary, struct err *err)
{
    struct stat here;
    if (linkat(folder, link->name, dest->fd, temporary, 0) != 0)
        return link_refusal(link, folder, dest, err);
    if (link->file.st_ino == 0 || (fstatat(dest->fd, temporary, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
                                   is_as_written(&link->file, &here)))
        return 0;
    (void)unlinkat(dest->fd, temporary, 0);
    return err_set(err, ERR_EXISTS, "its other name was given to another file");
}

static int make_link(struct recover *recover, const struct hard_link *link, const struct dest *dest,
                     const char *name, struct err *err)
{
    char temporary[TEMPORARY_MAX];
    struct stat first, here;
    int folder = dest_reopen(recover, link->folder, err);
    if (folder < 0)
        return -1;
    bool linked = fstatat(folder, link->name, &first, AT_SYMLINK_NOFOLLOW) == 0 &&
                  fstatat(dest->fd, name, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
                  is_same(&first, &here);
    int result = linked ? 0 : dest_is_free(recover, dest, name, err);
    if (result == 0 && !linked) {
        temporary_name(recover, temporary);
        result = link_to(link, folder, dest, temporary, err);
        if (result == 0)
            result = dest_publish(recover, dest, temporary, name, err);
    }
    close(folder);
    return result;
}

/* One more name, when the first one is there or can never be. */
static void finish_name(struct recover *recover, const struct hard_link *link,
                        const struct dest *dest, const char *name, uint64_t bytes)
{
    struct err err = ERR_INIT;
    int result =
        link->state == LINK_GOOD
            ? make_link(recover, link, dest, name, &err)
            : err_set(&err, link->why, "its other name %s could not be written", link->name);
    if (result != 0) {
        recover_problem(recover, dest, name, strlen(name), &err);
        return;
    }
    atomic_fetch_add(&recover->files, 1);
    atomic_fetch_add(&recover->bytes, bytes);
    atomic_fetch_add(&recover->progress->files, 1);
    atomic_fetch_add(&recover->progress->bytes, bytes);
}

bool link_join(struct recover *recover, struct dest *dest, const struct tree_entry *entry,
               struct hard_link **link)
{
    uint8_t key[ID_SIZE];
    char name[TREE_NAME_MAX + 1];
    uint32_t number;
    inode_key(key, entry);
    entry_name(name, entry);
    pthread_mutex_lock(&recover->link_lock);
    if (!id_map_find(&recover->link_numbers, key, &number)) {
        id_map_put(&recover->link_numbers, key, (uint32_t)recover->link_count);
        recover->links =
            alloc_grow(recover->links, recover->link_count + 1, sizeof(recover->links[0]));
        *link = alloc_zero(1, sizeof(**link));
        (*link)->flags = entry->flags & INODE_FLAGS_LOCKING;
        (*link)->folder = alloc_text(dest->path);
        memcpy((*link)->name, name, sizeof(name));
        recover->links[recover->link_count++] = *link;
        pthread_mutex_unlock(&recover->link_lock);
        return false;
    }
    struct hard_link *first = recover->links[number];
    if (first->state == LINK_PASSED) {
        free(first->folder);
        first->folder = alloc_text(dest->path);
        memcpy(first->name, name, sizeof(name));
        first->state = LINK_WAITING;
        *link = first;
        pthread_mutex_unlock(&recover->link_lock);
        return false;
    }
    if (first->state == LINK_WAITING) {
        struct waiting_name *waiting = alloc_zero(1, sizeof(*waiting));
        dest_hold(dest);
        waiting->dest = dest;
        waiting->bytes = entry->size;
        memcpy(waiting->name, name, sizeof(name));
        waiting->next = first->waiting;
        first->waiting = waiting;
        first = NULL;
    }
    pthread_mutex_unlock(&recover->link_lock);
    if (first != NULL)
        finish_name(recover, first, dest, name, entry->size);
    return true;
}

void link_pass(struct recover *recover, struct hard_link *link)
{
    if (link == NULL)
        return;
    pthread_mutex_lock(&recover->link_lock);
    assert(link->state == LINK_WAITING && link->waiting == NULL);
    link->state = LINK_PASSED;
    pthread_mutex_unlock(&recover->link_lock);
}

void link_finish(struct recover_worker *worker, struct hard_link *link, enum err_code why)
{
    if (link == NULL)
        return;
    pthread_mutex_lock(&worker->recover->link_lock);
    assert(link->state == LINK_WAITING);
    link->state = why == ERR_NONE ? LINK_GOOD : LINK_BAD;
    link->why = why;
    struct waiting_name *waiting = link->waiting;
    link->waiting = NULL;
    pthread_mutex_unlock(&worker->recover->link_lock);
    while (waiting != NULL) {
        struct waiting_name *next = waiting->next;
        finish_name(worker->recover, link, waiting->dest, waiting->name, waiting->bytes);
        dest_drop(worker, waiting->dest);
        free(waiting);
        waiting = next;
    }
}

void links_lock(struct recover *recover)
{
    for (size_t i = 0; i < recover->link_count; i++) {
        const struct hard_link *link = recover->links[i];
        struct err err = ERR_INIT;
        if (link->state != LINK_GOOD || link->flags == 0)
            continue;
        int fd = dest_reopen(recover, link->folder, &err);
        if (fd < 0) {
            recover_problem(recover, NULL, link->name, strlen(link->name), &err);
            continue;
        }
        const struct dest folder = {.fd = fd, .path = link->folder};
        flags_complete(recover, &folder, link->name, link->flags);
        close(fd);
    }
}

void links_release(struct recover *recover)
{
    for (size_t i = 0; i < recover->link_count; i++) {
        free(recover->links[i]->folder);
        free(recover->links[i]);
    }
    free(recover->links);
    id_map_release(&recover->link_numbers);
}
