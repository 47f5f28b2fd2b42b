/* A vault's folder is filled under a temporary name and renamed when it is whole: a vault is there
 * with all its files, or not at all. */
#include "cli/home/home.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/home/home_internal.h"
#include "cli/home/lock.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/common/durable.h"
#include "node/trust/writer_cert.h"

#define FOLDER_DIGITS    16
#define ALL_RIGHTS       (RIGHT_ADD | RIGHT_READ | RIGHT_FORGET | RIGHT_PRUNE)
#define FIRST_GENERATION 1
#define HOME_PATH_SPARE  128 /* for the names below it */
#define CACHES_NAME_SIZE (FOLDER_DIGITS + 1 + 8 + 1)

int home_path(char path[HOME_PATH_MAX], struct err *err)
{
    const char *own = getenv("ECBAK_HOME"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int length = -1;
    if (own != NULL && own[0] != '\0')
        length = snprintf(path, HOME_PATH_MAX, "%s", own);
    else if (data != NULL && data[0] == '/')
        length = snprintf(path, HOME_PATH_MAX, "%s/ecbak", data);
    else if (home != NULL && home[0] != '\0')
        length = snprintf(path, HOME_PATH_MAX, "%s/.local/share/ecbak", home);
    if (length < 0)
        return err_set(err, ERR_USAGE, "no home folder is known: set ECBAK_HOME");
    if (length >= HOME_PATH_MAX - HOME_PATH_SPARE)
        return err_set(err, ERR_INVALID, "the path of the home folder is too long");
    return 0;
}

/* Two homes never share caches, whatever they were copied from: what one store has not published yet
 * stands in them. */
static void caches_name(char name[CACHES_NAME_SIZE], const struct vault *vault)
{
    uint8_t hash[16];
    char id[2 * ID_SIZE + 1], digits[2 * sizeof(hash) + 1];
    crypto_generichash_state hashing;
    crypto_generichash_init(&hashing, NULL, 0, sizeof(hash));
    crypto_generichash_update(&hashing, vault->writer.bytes, WRITER_ID_SIZE);
    crypto_generichash_update(&hashing, (const uint8_t *)vault->dir, strlen(vault->dir));
    crypto_generichash_final(&hashing, hash, sizeof(hash));
    snprintf(name, CACHES_NAME_SIZE, "%.*s-%.8s", FOLDER_DIGITS,
             hex_encode(id, vault->keys->vault.bytes, ID_SIZE),
             hex_encode(digits, hash, sizeof(hash)));
}

int home_caches(char path[HOME_PATH_MAX], const struct vault *vault, struct err *err)
{
    const char *own = getenv("ECBAK_CACHE"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char name[CACHES_NAME_SIZE];
    int length;
    caches_name(name, vault);
    if (own != NULL && own[0] != '\0')
        length = snprintf(path, HOME_PATH_MAX, "%s/%s", own, name);
    else if (cache != NULL && cache[0] == '/')
        length = snprintf(path, HOME_PATH_MAX, "%s/ecbak/%s", cache, name);
    else if (home != NULL && home[0] == '/')
        length = snprintf(path, HOME_PATH_MAX, "%s/.cache/ecbak/%s", home, name);
    else
        length = snprintf(path, HOME_PATH_MAX, "%s/cache", vault->dir);
    if (length < 0 || length >= HOME_PATH_MAX - HOME_PATH_SPARE)
        return err_set(err, ERR_INVALID, "the path of the folder of caches is too long");
    return 0;
}

int home_make_dirs(const char *path, struct err *err)
{
    char part[HOME_PATH_MAX];
    size_t length = strlen(path);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        struct stat status;
        if (stat(part, &status) != 0 && durable_make_dir(part, 0700, err) != 0)
            return -1;
        part[i] = path[i];
    }
    return 0;
}

/* ---- loading ---- */

static bool is_vault_name(const char *name)
{
    return strlen(name) == FOLDER_DIGITS && strspn(name, "0123456789abcdef") == FOLDER_DIGITS;
}

/* The one folder whose name begins like `name` (any, when that is NULL). */
static int find_folder(char found[FOLDER_DIGITS + 1], const char *home, const char *name,
                       struct err *err)
{
    size_t count = 0;
    DIR *dir = opendir(home);
    if (dir == NULL && errno != ENOENT)
        return err_errno(err, "opening %s", home);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (!is_vault_name(entry->d_name))
            continue;
        size_t length = name != NULL ? strlen(name) : 0;
        if (name != NULL &&
            strncasecmp(entry->d_name, name, length < FOLDER_DIGITS ? length : FOLDER_DIGITS) != 0)
            continue;
        memcpy(found, entry->d_name, FOLDER_DIGITS + 1);
        count++;
    }
    if (dir != NULL)
        closedir(dir);
    if (count == 0 && name != NULL)
        return err_set(err, ERR_NOT_FOUND, "no vault \"%.70s\" in %s", name, home);
    if (count == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "no vault in %s: make one with `ecbak init`, or open yours with `ecbak "
                       "open` and its recovery phrase",
                       home);
    if (count > 1)
        return err_set(err, ERR_USAGE,
                       "%zu vaults in %s: name one, by the beginning of its id, in ECBAK_VAULT",
                       count, home);
    return 0;
}

static int check_folder(const char *dir, struct err *err)
{
    struct stat status;
    if (stat(dir, &status) != 0)
        return err_errno(err, "looking at %s", dir);
    if ((status.st_mode & 077) != 0)
        return err_set(err, ERR_DENIED, "others may touch %s (mode %03o): run chmod 700 %s", dir,
                       (unsigned)status.st_mode & 0777, dir);
    return 0;
}

/* The id of the keys must be that of the folder, and of the name given, however long. */
static int check_id(const struct vault *vault, const char *folder, const char *name,
                    struct err *err)
{
    char id[2 * ID_SIZE + 1];
    hex_encode(id, vault->keys->vault.bytes, ID_SIZE);
    if (strncmp(id, folder, FOLDER_DIGITS) != 0)
        return err_set(err, ERR_FOREIGN, "%s holds the key of another vault, %.16s", vault->dir,
                       id);
    if (name != NULL && (strlen(name) > sizeof(id) - 1 || strncasecmp(id, name, strlen(name)) != 0))
        return err_set(err, ERR_NOT_FOUND, "no vault \"%.70s\"; there is %s", name, id);
    return 0;
}

int vault_load(struct vault **vault, const char *name, struct err *err)
{
    char home[HOME_PATH_MAX], folder[FOLDER_DIGITS + 1];
    *vault = NULL;
    if (sodium_init() < 0)
        return err_set(err, ERR_IO, "the cryptographic library cannot start (no randomness?)");
    if (name == NULL)
        name = getenv("ECBAK_VAULT");
    if (name != NULL && name[0] == '\0')
        name = NULL;
    if (home_path(home, err) != 0 || find_folder(folder, home, name, err) != 0)
        return -1;
    struct vault *v = alloc_zero(1, sizeof(*v));
    v->lock = -1;
    if (home_join(v->dir, home, folder, err) != 0 || check_folder(v->dir, err) != 0 ||
        vault_key_read(v->dir, &v->keys, err) != 0 || check_id(v, folder, name, err) != 0 ||
        writer_key_read(v, err) != 0) {
        vault_close(&v);
        return -1;
    }
    *vault = v;
    return 0;
}

void vault_close(struct vault **vault)
{
    struct vault *v = *vault;
    if (v == NULL)
        return;
    if (v->lock >= 0)
        close(v->lock);
    vault_keys_destroy(&v->keys);
    sodium_free(v->writer_secret);
    free(v->writer_cert);
    free(v);
    *vault = NULL;
}

/* Of the files that only a locked vault's holder writes. */
static void clear_leftovers(const struct vault *vault)
{
    char path[HOME_PATH_MAX];
    struct err ignored;
    durable_clear_leftovers(vault->dir, "sequence");
    if (home_join(path, vault->dir, "records", &ignored) == 0)
        durable_clear_leftovers(path, NULL);
}

int vault_lock(struct vault *vault, uint64_t wait_ms, const _Atomic bool *cancel, struct err *err)
{
    char path[HOME_PATH_MAX];
    if (vault->lock >= 0)
        return 0;
    if (home_join(path, vault->dir, "lock", err) != 0)
        return -1;
    if (lock_take(&vault->lock, path, wait_ms, cancel, err) != 0)
        return err->code == ERR_BUSY
                   ? err_set(err, ERR_BUSY,
                             "another store into this vault is running (--wait TIME waits for it)")
                   : -1;
    clear_leftovers(vault);
    return 0;
}

/* ---- making ---- */

/* A new writer of the vault, with all rights. */
static int make_writer(struct vault *v, struct err *err)
{
    struct writer_cert cert = {.rights = ALL_RIGHTS, .generation = FIRST_GENERATION};
    v->writer_secret = sodium_malloc(WRITER_SECRET_SIZE);
    if (v->writer_secret == NULL)
        return err_set(err, ERR_MEMORY, "no protected memory for the writer's key");
    crypto_sign_keypair(cert.writer_key, v->writer_secret);
    randombytes_buf(v->writer.bytes, WRITER_ID_SIZE);
    cert.writer = v->writer;
    memcpy(cert.vault_key, v->keys->sign_public, sizeof(cert.vault_key));
    cert.vault = v->keys->vault;
    return writer_cert_seal(&cert, v->keys->sign_secret, &v->writer_cert, &v->writer_cert_size,
                            err);
}

static int fill_folder(const struct vault *v, const char *dir, struct err *err)
{
    const struct sequence none = {0};
    char path[HOME_PATH_MAX];
    if (home_join(path, dir, "records", err) != 0 || durable_make_dir(path, 0700, err) != 0)
        return -1;
    if (vault_key_write(dir, v->keys->secret, err) != 0 || writer_key_write(dir, v, err) != 0)
        return -1;
    return sequence_write(dir, &none, err);
}

static void remove_folder(const char *dir)
{
    static const char *const names[] = {"vault.key", "writer.key", "sequence"};
    char path[HOME_PATH_MAX];
    struct err ignored;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (home_join(path, dir, names[i], &ignored) == 0)
            unlink(path);
    if (home_join(path, dir, "records", &ignored) == 0)
        rmdir(path);
    rmdir(dir);
}

/* Fills a temporary folder and, once the phrase was shown, gives it its name. */
static int publish(const struct vault *v, const char *home,
                   int (*show)(void *ctx, const struct vault_keys *keys, struct err *err),
                   void *ctx, struct err *err)
{
    char temporary[HOME_PATH_MAX];
    if (home_join(temporary, home, ".new-XXXXXX", err) != 0)
        return -1;
    if (mkdtemp(temporary) == NULL)
        return err_errno(err, "making a folder in %s", home);
    int result = fill_folder(v, temporary, err);
    if (result == 0 && show != NULL)
        result = show(ctx, v->keys, err);
    if (result == 0)
        result = durable_rename(temporary, v->dir, err);
    if (result != 0)
        remove_folder(temporary); /* when only its name may not be durable, it is not there */
    return result;
}

int vault_create(struct vault **vault, const uint8_t *secret,
                 int (*show)(void *ctx, const struct vault_keys *keys, struct err *err), void *ctx,
                 struct err *err)
{
    char home[HOME_PATH_MAX], id[2 * ID_SIZE + 1], folder[FOLDER_DIGITS + 1];
    struct stat status;
    *vault = NULL;
    struct vault *v = alloc_zero(1, sizeof(*v));
    v->lock = -1;
    int result = vault_keys_new(&v->keys, secret, err);
    if (result == 0)
        result = home_path(home, err);
    if (result != 0)
        goto done;
    hex_encode(id, v->keys->vault.bytes, ID_SIZE);
    memcpy(folder, id, FOLDER_DIGITS);
    folder[FOLDER_DIGITS] = '\0';
    result = home_join(v->dir, home, folder, err);
    if (result == 0 && lstat(v->dir, &status) == 0)
        result =
            err_set(err, ERR_EXISTS, "this vault is open on this machine already, in %s", v->dir);
    if (result == 0)
        result = home_make_dirs(home, err);
    if (result == 0)
        result = make_writer(v, err);
    if (result == 0)
        result = publish(v, home, show, ctx, err);
    if (result == 0)
        result = vault_load(vault, id, err);
done:
    vault_close(&v);
    return result;
}
