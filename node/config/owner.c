/* The folder decides: the package, or who set the machine up, gave it to the user of the service, and
 * no name needs to be known here. Files are made as that user, never given away afterwards: root
 * changes nothing by name in a folder that another user can rearrange. */
#include "node/config/owner.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/common/durable.h"

#define NAME_MAX_SHOWN 64

static const char *user_name(char name[NAME_MAX_SHOWN], uid_t uid)
{
    char buffer[1024];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        snprintf(name, NAME_MAX_SHOWN, "%s", found->pw_name);
    else
        snprintf(name, NAME_MAX_SHOWN, "#%u", (unsigned)uid);
    return name;
}

static int look_at_folder(const char *path, struct stat *st, struct err *err)
{
    char folder[DURABLE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (length == 0 || length >= sizeof(folder))
        return err_set(err, ERR_INVALID, "%s is not in a folder", path);
    memcpy(folder, path, length);
    folder[length] = '\0';
    return stat(folder, st) == 0 ? 0 : err_errno(err, "looking at %s", folder);
}

int owner_become(const char *key_file, const char *data_dir, struct err *err)
{
    struct stat keys, data, there;
    if (geteuid() != 0)
        return 0;
    if (look_at_folder(key_file, &keys, err) != 0)
        return -1;
    if (keys.st_uid == 0)
        return 0;
    if (look_at_folder(data_dir, &data, err) != 0)
        return -1;
    if (data.st_uid != keys.st_uid && data.st_uid != 0)
        return err_set(
            err, ERR_DENIED,
            "the folder of %s belongs neither to root nor to the owner of the folder of %s",
            data_dir, key_file);
    if (data.st_uid != keys.st_uid && lstat(data_dir, &there) != 0 &&
        (mkdir(data_dir, 0700) != 0 || lchown(data_dir, keys.st_uid, keys.st_gid) != 0))
        return err_errno(err, "making %s", data_dir);
    if (setgroups(0, NULL) != 0 || setgid(keys.st_gid) != 0 || setuid(keys.st_uid) != 0)
        return err_errno(err, "becoming the owner of the folder of %s", key_file);
    return 0;
}

int owner_check(const char *key_file, struct err *err)
{
    struct stat st;
    char owner[NAME_MAX_SHOWN], us[NAME_MAX_SHOWN];
    if (stat(key_file, &st) != 0 || st.st_uid == geteuid())
        return 0;
    user_name(owner, st.st_uid);
    user_name(us, geteuid());
    if (geteuid() == 0)
        return err_set(err, ERR_DENIED,
                       "%s belongs to user %s, who could not use what root would write: run "
                       "`systemctl start ecbakd`, or `runuser -u %s -- ecbakd`",
                       key_file, owner, owner);
    return err_set(
        err, ERR_DENIED,
        "%s belongs to user %s, and this process runs as %s: give the folder with all in "
        "it to one user, such as with `chown -R %s: %.*s`",
        key_file, owner, us, us, (int)(strrchr(key_file, '/') - key_file), key_file);
}
