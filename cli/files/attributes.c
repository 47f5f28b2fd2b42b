/* Names in a folder (symbolic links, fifos, devices) have no descriptor that xattr calls accept, so
 * these go through /proc/self/fd/FOLDER/NAME: still relative to the folder that is open. What is
 * put back goes through /proc/self/fd/FD, which leads to that very file, also when it is a link.
 */
#include "cli/files/attributes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/files/inode_flags.h"
#include "coding/base/alloc.h"

#define XATTR_VALUE_MAX 65536
#define XATTR_LIST_MAX  65536
#define OWNER_SLOTS     64

/* A name service answers slowly, and the same few owners come again and again. */
struct owner {
    bool known;
    bool found; /* by name: somebody has it */
    uint32_t id;
    char *name;
};

enum owner_table { USERS = 0, GROUPS = 1 };

struct attributes {
    struct owner by_id[2][OWNER_SLOTS];
    struct owner by_name[2][OWNER_SLOTS];
    struct tree_xattr xattrs[TREE_XATTRS_MAX];
    char list[XATTR_LIST_MAX];
    uint8_t *values;
    size_t values_used, values_room;
};

struct attributes *attributes_new(void)
{
    return alloc_zero(1, sizeof(struct attributes));
}

void attributes_destroy(struct attributes **attributes)
{
    struct attributes *old = *attributes;
    *attributes = NULL;
    if (old == NULL)
        return;
    for (int table = USERS; table <= GROUPS; table++) {
        for (size_t i = 0; i < OWNER_SLOTS; i++) {
            free(old->by_id[table][i].name);
            free(old->by_name[table][i].name);
        }
    }
    free(old->values);
    free(old);
}

/* ---- owners ---------------------------------------------------------------------------------- */

/* One question to the name service; buffers grow until the answer fits. */
static void ask_name(enum owner_table table, uint32_t id, char **name)
{
    size_t room = 1024;
    char *buffer = NULL;
    int number = ERANGE;
    while (number == ERANGE && room <= 1024 * 1024) {
        buffer = alloc_grow(buffer, room, 1);
        struct passwd user, *user_found = NULL;
        struct group group, *group_found = NULL;
        if (table == USERS)
            number = getpwuid_r(id, &user, buffer, room, &user_found);
        else
            number = getgrgid_r(id, &group, buffer, room, &group_found);
        if (user_found != NULL)
            *name = alloc_text(user.pw_name);
        if (group_found != NULL)
            *name = alloc_text(group.gr_name);
        room *= 4;
    }
    free(buffer);
}

static bool ask_id(enum owner_table table, const char *name, uint32_t *id)
{
    size_t room = 1024;
    char *buffer = NULL;
    int number = ERANGE;
    bool found = false;
    while (number == ERANGE && room <= 1024 * 1024) {
        buffer = alloc_grow(buffer, room, 1);
        struct passwd user, *user_found = NULL;
        struct group group, *group_found = NULL;
        if (table == USERS)
            number = getpwnam_r(name, &user, buffer, room, &user_found);
        else
            number = getgrnam_r(name, &group, buffer, room, &group_found);
        if (user_found != NULL)
            *id = user.pw_uid;
        if (group_found != NULL)
            *id = group.gr_gid;
        found = user_found != NULL || group_found != NULL;
        room *= 4;
    }
    free(buffer);
    return found;
}

static const char *owner_name(struct attributes *attributes, enum owner_table table, uint32_t id)
{
    struct owner *owner = &attributes->by_id[table][id % OWNER_SLOTS];
    if (!owner->known || owner->id != id) {
        free(owner->name);
        owner->name = NULL;
        owner->known = true;
        owner->id = id;
        ask_name(table, id, &owner->name);
    }
    return owner->name != NULL ? owner->name : "";
}

/* The id here of the owner called so there; `otherwise` when nobody is. */
static uint32_t owner_id(struct attributes *attributes, enum owner_table table, const char *name,
                         size_t name_size, uint32_t otherwise)
{
    if (name_size == 0 || memchr(name, '\0', name_size) != NULL)
        return otherwise;
    struct owner *owner = &attributes->by_name[table][otherwise % OWNER_SLOTS];
    if (!owner->known || strlen(owner->name) != name_size ||
        memcmp(owner->name, name, name_size) != 0) {
        free(owner->name);
        owner->name = alloc_zero(name_size + 1, 1);
        memcpy(owner->name, name, name_size);
        owner->known = true;
        owner->found = ask_id(table, owner->name, &owner->id);
    }
    return owner->found ? owner->id : otherwise;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum entry_kind attributes_kind(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return ENTRY_FILE;
    case S_IFDIR:
        return ENTRY_DIRECTORY;
    case S_IFLNK:
        return ENTRY_SYMLINK;
    case S_IFIFO:
        return ENTRY_FIFO;
    case S_IFCHR:
        return ENTRY_CHAR_DEVICE;
    case S_IFBLK:
        return ENTRY_BLOCK_DEVICE;
    case S_IFSOCK:
        return ENTRY_SOCKET;
    default:
        return 0;
    }
}

#define PROC_PATH_MAX (NAME_MAX + 64)

static void proc_path(char path[PROC_PATH_MAX], struct file_at file)
{
    snprintf(path, PROC_PATH_MAX, "/proc/self/fd/%d%s%s", file.folder_fd,
             file.name[0] != '\0' ? "/" : "", file.name);
}

/* Room for one more value of at most XATTR_VALUE_MAX bytes. The buffer may move: views are made
 * only once all values are in. */
static uint8_t *value_room(struct attributes *attributes)
{
    if (attributes->values_room - attributes->values_used < XATTR_VALUE_MAX) {
        attributes->values_room = 2 * attributes->values_room + XATTR_VALUE_MAX;
        attributes->values = alloc_grow(attributes->values, attributes->values_room, 1);
    }
    return attributes->values + attributes->values_used;
}

static int read_xattrs(struct attributes *attributes, struct tree_entry *entry, struct file_at file,
                       struct err *err)
{
    char path[PROC_PATH_MAX] = "";
    if (file.fd < 0)
        proc_path(path, file);
    ssize_t size = file.fd >= 0 ? flistxattr(file.fd, attributes->list, XATTR_LIST_MAX)
                                : llistxattr(path, attributes->list, XATTR_LIST_MAX);
    if (size < 0)
        return errno == ENOTSUP ? 0 : err_errno(err, "listing extended attributes");
    attributes->values_used = 0;
    for (ssize_t at = 0; at < size;) {
        const char *name = attributes->list + at;
        size_t name_size = strlen(name);
        at += (ssize_t)name_size + 1;
        uint8_t *value = value_room(attributes);
        ssize_t value_size = file.fd >= 0 ? fgetxattr(file.fd, name, value, XATTR_VALUE_MAX)
                                          : lgetxattr(path, name, value, XATTR_VALUE_MAX);
        if (value_size < 0 && (errno == ENODATA || errno == ENOTSUP))
            continue;
        if (value_size < 0)
            return err_errno(err, "reading the extended attribute %s", name);
        if (entry->xattr_count == TREE_XATTRS_MAX)
            return err_set(err, ERR_INVALID, "more than %d extended attributes", TREE_XATTRS_MAX);
        attributes->xattrs[entry->xattr_count++] =
            (struct tree_xattr){name, name_size, NULL, (size_t)value_size};
        attributes->values_used += (size_t)value_size;
    }
    entry->xattrs = attributes->xattrs;
    const uint8_t *value = attributes->values;
    for (size_t i = 0; i < entry->xattr_count; i++) {
        entry->xattrs[i].value = value;
        value += entry->xattrs[i].value_size;
    }
    return 0;
}

int attributes_read(struct attributes *attributes, struct tree_entry *entry,
                    const struct walk_stat *stat, struct file_at file, struct err *err)
{
    entry->kind = attributes_kind(stat->mode);
    entry->mode = stat->mode & 07777;
    entry->uid = stat->uid;
    entry->gid = stat->gid;
    entry->user = owner_name(attributes, USERS, stat->uid);
    entry->user_size = strlen(entry->user);
    entry->group = owner_name(attributes, GROUPS, stat->gid);
    entry->group_size = strlen(entry->group);
    entry->mtime_s = stat->mtime_s;
    entry->mtime_ns = stat->mtime_ns;
    entry->size = entry->kind == ENTRY_FILE ? stat->size : 0;
    entry->device = entry->kind == ENTRY_CHAR_DEVICE || entry->kind == ENTRY_BLOCK_DEVICE
                        ? stat->special_device
                        : 0;
    entry->xattrs = NULL;
    entry->xattr_count = 0;
    entry->flags = 0;
    int result = read_xattrs(attributes, entry, file, err);
    if (result != 0)
        entry->xattr_count = 0;
    bool flagged = entry->kind == ENTRY_FILE || entry->kind == ENTRY_DIRECTORY;
    if (flagged && file.fd >= 0 &&
        inode_flags_read(file.fd, &entry->flags, result == 0 ? err : NULL) != 0)
        result = -1;
    return result;
}

/* ---- putting back ---------------------------------------------------------------------------- */

static bool is_access_list(const struct tree_xattr *xattr)
{
    static const char prefix[] = "system.posix_acl_";
    return xattr->name_size > sizeof(prefix) - 1 &&
           memcmp(xattr->name, prefix, sizeof(prefix) - 1) == 0;
}

/* Only root may set these; an ordinary user's recover goes without them, as it does without owners.
 */
static bool is_privileged(const char *name)
{
    return strncmp(name, "security.", 9) == 0 || strncmp(name, "trusted.", 8) == 0;
}

static int set_xattrs(const struct tree_entry *entry, struct file_at file, const char *path,
                      bool access_lists, bool root, struct err *err)
{
    int result = 0;
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct tree_xattr *xattr = &entry->xattrs[i];
        char name[XATTR_NAME_MAX + 1];
        if (is_access_list(xattr) != access_lists || xattr->name_size >= sizeof(name))
            continue;
        memcpy(name, xattr->name, xattr->name_size);
        name[xattr->name_size] = '\0';
        int set = file.fd >= 0 ? fsetxattr(file.fd, name, xattr->value, xattr->value_size, 0)
                               : setxattr(path, name, xattr->value, xattr->value_size, 0);
        if (set != 0 && !root && errno == EPERM && is_privileged(name))
            continue;
        if (set != 0 && result == 0)
            result = err_errno(err, "setting the extended attribute %s", name);
    }
    return result;
}

static bool try_chown(struct file_at file, uid_t uid, gid_t gid)
{
    return (file.fd >= 0 ? fchown(file.fd, uid, gid)
                         : fchownat(file.folder_fd, "", uid, gid, AT_EMPTY_PATH)) == 0;
}

/* What a file has now; a look is cheaper than a change, which goes through the file system's
 * journal, and most files are made with what they shall have. */
struct present {
    bool known;
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

static struct present look_at(struct file_at file)
{
    struct stat stat;
    if (file.fd < 0 || fstat(file.fd, &stat) != 0)
        return (struct present){.known = false};
    return (struct present){true, stat.st_uid, stat.st_gid, stat.st_mode & 07777};
}

void attributes_owner(struct attributes *attributes, const struct tree_entry *entry,
                      const struct attributes_policy *policy, uid_t *uid, gid_t *gid)
{
    *uid = entry->uid;
    *gid = entry->gid;
    if (!policy->numeric_owners) {
        *uid = owner_id(attributes, USERS, entry->user, entry->user_size, *uid);
        *gid = owner_id(attributes, GROUPS, entry->group, entry->group_size, *gid);
    }
}

/* *mode gets the mode with the bits that may be put back. */
static int set_owner(struct attributes *attributes, const struct tree_entry *entry,
                     struct file_at file, const struct attributes_policy *policy,
                     struct present *now, uint32_t *mode, struct err *err)
{
    uid_t uid;
    gid_t gid;
    attributes_owner(attributes, entry, policy, &uid, &gid);
    *mode = entry->mode;
    if (now->known && now->uid == uid && now->gid == gid)
        return 0;
    now->known = false;
    if (policy->root) {
        if (try_chown(file, uid, gid))
            return 0;
        *mode &= ~(uint32_t)(S_ISUID | S_ISGID);
        return err_errno(err, "setting the owner");
    }
    /* An ordinary user can give a file to a group of his own, and nothing else: not an error. */
    if (uid != geteuid())
        *mode &= ~(uint32_t)S_ISUID;
    if (uid != geteuid() || !try_chown(file, (uid_t)-1, gid))
        *mode &= ~(uint32_t)S_ISGID;
    return 0;
}

static int set_mode(const struct tree_entry *entry, struct file_at file, const char *path,
                    const struct present *now, uint32_t mode, struct err *err)
{
    if (entry->kind == ENTRY_SYMLINK || (now->known && now->mode == mode))
        return 0;
    int set = file.fd >= 0 ? fchmod(file.fd, mode) : chmod(path, mode);
    return set == 0 ? 0 : err_errno(err, "setting the mode");
}

int attributes_apply(struct attributes *attributes, const struct tree_entry *entry,
                     struct file_at file, const struct attributes_policy *policy, struct err *err)
{
    char path[PROC_PATH_MAX] = "";
    assert(file.fd >= 0 || file.name[0] == '\0');
    if (file.fd < 0)
        proc_path(path, file);
    struct err later = ERR_INIT;
    uint32_t mode;
    struct present now = look_at(file);
    int result = set_owner(attributes, entry, file, policy, &now, &mode, err);
    if (policy->clear_inherited || entry->xattr_count > 0)
        now.known = false;
    if (set_xattrs(entry, file, path, false, policy->root, result == 0 ? err : &later) != 0)
        result = -1;
    if (policy->clear_inherited && file.fd >= 0) {
        (void)fremovexattr(file.fd, "system.posix_acl_access");
        (void)fremovexattr(file.fd, "system.posix_acl_default");
    }
    if (set_xattrs(entry, file, path, true, policy->root, result == 0 ? err : &later) != 0)
        result = -1;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = entry->mtime_s, .tv_nsec = (long)entry->mtime_ns}};
    int set = file.fd >= 0 ? futimens(file.fd, times)
                           : utimensat(file.folder_fd, "", times, AT_EMPTY_PATH);
    if (set != 0) {
        err_errno(result == 0 ? err : &later, "setting the time");
        result = -1;
    }
    /* The mode comes last: until then it says that the rest is not there (recover_dest.c). Access
     * lists come before it without harm, since a mode has what they say of it. */
    if (set_mode(entry, file, path, &now, mode, result == 0 ? err : &later) != 0)
        result = -1;
    return result;
}
