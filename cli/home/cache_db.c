/* The cache's tables. The reasons for their shape are in cache.c, that for `proof` in
 * cache_proof.c. */
#include "cli/home/cache_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/home/home.h"
#include "cli/home/lock.h"
#include "coding/base/alloc.h"

#define CACHE_VERSION   4
#define CACHE_KIBIBYTES 16384
#define BUSY_MS         20000
#define TEXT_OF(value)  #value
#define TEXT(value)     TEXT_OF(value)

_Static_assert(CACHE_KIBIBYTES * 1024 == CACHE_BYTES, "the limit in the header is the one set");

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS pack(number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL "
    "UNIQUE,"
    " block BLOB, proof INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS unpublished ON pack(number) WHERE block IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS chunk(key INTEGER PRIMARY KEY, rest BLOB NOT NULL, pack INTEGER "
    "NOT NULL,"
    " segment INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL,"
    " proof INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS other(key INTEGER NOT NULL, pack INTEGER NOT NULL, rest BLOB NOT "
    "NULL,"
    " segment INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL,"
    " proof INTEGER NOT NULL,"
    " PRIMARY KEY(key, pack)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS index_pack(id BLOB NOT NULL UNIQUE, block BLOB,"
    " proof INTEGER NOT NULL);"
    "PRAGMA user_version=" TEXT(CACHE_VERSION) ";"
                                               "COMMIT";

/* That the pack of a chunk is named by an index must be as true as where the chunk is in it. One that
 * is not is looked at when it gets its index. */
#define PROVEN(table)                                                                              \
    " " table ".proof = proof(key, rest, id, segment, offset, size)"                               \
    " AND (block IS NOT NULL OR pack.proof = proof(id, NULL))"
static const char find_text[] = "SELECT rest, id, number, segment, offset, size," PROVEN(
    "chunk") " FROM chunk JOIN pack ON number = pack WHERE key = ?1";
static const char find_other_text[] = "SELECT rest, id, number, segment, offset, size," PROVEN(
    "other") " FROM other JOIN pack ON number = pack"
             " WHERE key = ?1 AND pack NOT IN (SELECT pack FROM chunk WHERE key = ?1)"
             " ORDER BY pack DESC LIMIT 1 OFFSET ?2";
static const char keep_other_text[] =
    "INSERT OR REPLACE INTO other SELECT key, pack, rest, segment, offset, size, chunk.proof"
    " FROM chunk JOIN pack ON number = pack WHERE key = ?1 AND pack <> ?2";
#define CHUNK_PROOF "proof(?1, ?2, ?7, ?4, ?5, ?6)"
static const char add_chunk_text[] =
    "INSERT OR IGNORE INTO chunk VALUES(?1, ?2, ?3, ?4, ?5, ?6, " CHUNK_PROOF ")";
static const char replace_chunk_text[] =
    "UPDATE chunk SET rest = ?2, pack = ?3, segment = ?4, offset = ?5, size = ?6,"
    " proof = " CHUNK_PROOF " WHERE key = ?1";
/* A pack that some index names stays published. */
static const char add_pack_text[] =
    "INSERT INTO pack(id, block, proof) VALUES(?1, ?2, proof(?1, ?2)) ON CONFLICT(id) DO UPDATE SET"
    " block = CASE WHEN block IS NULL THEN NULL ELSE excluded.block END,"
    " proof = CASE WHEN block IS NULL THEN proof ELSE excluded.proof END RETURNING number";
static const char unpublished_text[] =
    "SELECT block, proof = proof(id, block) FROM pack WHERE block IS NOT NULL ORDER BY number";
static const char read_index_text[] = "SELECT block, proof = proof(id, block) FROM index_pack"
                                      " WHERE id = ?1 AND block IS NOT NULL";
static const char altered_text[] =
    "SELECT EXISTS(SELECT 1 FROM chunk JOIN pack ON number = pack WHERE NOT (" PROVEN(
        "chunk") "))"
                 " OR EXISTS(SELECT 1 FROM other JOIN pack ON number = pack WHERE NOT (" PROVEN(
                     "other") "))"
                              " OR EXISTS(SELECT 1 FROM pack WHERE proof <> proof(id, block))"
                              " OR EXISTS(SELECT 1 FROM index_pack WHERE proof <> proof(id, "
                              "block))";

static const char *const texts[CACHE_STATEMENTS] = {
    [CACHE_FIND] = find_text,
    [CACHE_FIND_OTHER] = find_other_text,
    [CACHE_ADD_PACK] = add_pack_text,
    [CACHE_ADD_CHUNK] = add_chunk_text,
    [CACHE_KEEP_OTHER] = keep_other_text,
    [CACHE_REPLACE_CHUNK] = replace_chunk_text,
    [CACHE_DROP_PACK] = "DELETE FROM pack WHERE id = ?1",
    [CACHE_UNPUBLISHED] = unpublished_text,
    [CACHE_SET_PUBLISHED] = "UPDATE pack SET block = NULL, proof = proof(id, NULL)"
                            " WHERE block IS NOT NULL",
    [CACHE_HAS_PACK] = "SELECT 1 FROM pack WHERE id = ?1",
    [CACHE_HAS_INDEX] = "SELECT 1 FROM index_pack WHERE id = ?1",
    [CACHE_ADD_INDEX] = "INSERT OR REPLACE INTO index_pack VALUES(?1, ?2, proof(?1, ?2))",
    [CACHE_READ_INDEX] = read_index_text,
    [CACHE_INDEX_SIZE] = "SELECT length(block) FROM index_pack WHERE id = ?1",
    [CACHE_ALTERED] = altered_text,
    [CACHE_FORGET_INDEXES] = "DELETE FROM index_pack",
    [CACHE_BEGIN] = "BEGIN IMMEDIATE",
    [CACHE_BEGIN_READING] = "BEGIN",
    [CACHE_COMMIT] = "COMMIT",
};

int cache_fail(struct cache *c, struct err *err, const char *what)
{
    int code = sqlite3_errcode(c->db) & 0xff;
    const char *text = sqlite3_errmsg(c->db);
    const char *path = c->path[0] != '\0' ? c->path : "the cache";
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_BUSY, "%s: another command is using %s", what, path);
    case SQLITE_FULL:
        return err_set(err, ERR_FULL, "%s: no space for %s", what, path);
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
        return err_set(err, ERR_MEMORY, "%s: %s: %s", what, path, text);
    default: /* a table that is not there, a page that cannot be read: nothing of it passes */
        c->damaged = true;
        return err_set(err, ERR_DAMAGED, "%s: %s is damaged: %s", what, path, text);
    }
}

int cache_altered(struct cache *c, struct err *err)
{
    c->damaged = true;
    return err_set(err, ERR_DAMAGED, "%s is damaged: something in it is not as it was written",
                   c->path[0] != '\0' ? c->path : "the cache");
}

int cache_run(struct cache *c, enum cache_statement which, struct err *err, const char *what)
{
    sqlite3_stmt *s = c->statements[which];
    int code = sqlite3_step(s);
    int result = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : cache_fail(c, err, what);
    sqlite3_reset(s);
    return result;
}

int cache_end(struct cache *c, struct err *err)
{
    int result = cache_run(c, CACHE_COMMIT, err, "writing to the cache");
    if (result != 0 && sqlite3_get_autocommit(c->db) == 0)
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

/* ---- opening ---- */

static int set_up(struct cache *c, struct err *err)
{
    static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                                  "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=67108864;"
                                  "PRAGMA cache_size=-" TEXT(CACHE_KIBIBYTES);
    sqlite3_stmt *version = NULL;
    sqlite3_busy_timeout(c->db, BUSY_MS);
    if (cache_add_proof(c) != SQLITE_OK ||
        sqlite3_exec(c->db, pragmas, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &version, NULL) != SQLITE_OK)
        return cache_fail(c, err, "opening the cache");
    int found = sqlite3_step(version) == SQLITE_ROW ? sqlite3_column_int(version, 0) : 0;
    sqlite3_finalize(version);
    if (found != 0 && found != CACHE_VERSION)
        return err_set(err, ERR_VERSION, "%s has version %d", c->path, found);
    if (found == 0 && sqlite3_exec(c->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return cache_fail(c, err, "making the cache");
    for (int i = 0; i < CACHE_STATEMENTS; i++)
        if (sqlite3_prepare_v3(c->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[i],
                               NULL) != SQLITE_OK)
            return cache_fail(c, err, "reading the cache");
    return 0;
}

static void close_file(struct cache *c)
{
    for (int i = 0; i < CACHE_STATEMENTS; i++) {
        sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    sqlite3_close(c->db);
    c->db = NULL;
}

static int open_file(struct cache *c, struct err *err)
{
    if (c->path[0] != '\0') {
        /* Made here, so that SQLite gives it and the files beside it no wider permissions. */
        int fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_errno(err, "opening %s", c->path);
        close(fd);
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = 0;
    if (sqlite3_open_v2(c->path, &c->db, flags, NULL) != SQLITE_OK)
        result = cache_fail(c, err, "opening the cache");
    if (result == 0)
        result = set_up(c, err);
    if (result != 0)
        close_file(c);
    return result;
}

/* A name without a file: SQLite then keeps what does not fit into memory in a file without a name. */
static int open_unkept(struct cache *c, const struct err *why, struct err *err)
{
    free(c->path);
    free(c->notice);
    c->path = alloc_text("");
    c->notice = alloc_format("%s: without a cache, the index of all snapshots is read each time",
                             why->text);
    return open_file(c, err);
}

/* [the folder's lock] */
static int open_newest(struct cache *c, bool anew, struct err *err)
{
    struct err first = ERR_INIT;
    uint64_t number = cache_newest(c->folder);
    int result = -1;
    c->is_new = number == 0;
    if (number != 0 && !anew) {
        c->path = cache_file(c->folder, number);
        result = open_file(c, &first);
        if (result != 0 && first.code != ERR_DAMAGED && first.code != ERR_VERSION)
            return err_copy(err, &first);
        if (result != 0)
            c->notice = alloc_format("%s: it is made anew", first.text);
    }
    if (result != 0) { /* all that it knew can be read again from the index packs */
        free(c->path);
        c->damaged = false;
        number = cache_next(number);
        c->path = cache_file(c->folder, number);
        result = open_file(c, err);
    }
    if (result == 0)
        cache_remove_others(c->folder, number);
    return result;
}

/* One command at a time chooses which file is the cache, and makes it. */
static int open_kept(struct cache *c, bool anew, struct err *err)
{
    int lock = -1;
    char *path = alloc_format("%s/lock", c->folder);
    int result = home_make_dirs(c->folder, err);
    if (result == 0)
        result = lock_take(&lock, path, LOCK_SHORT_MS, NULL, err);
    if (result == 0)
        result = open_newest(c, anew, err);
    if (lock >= 0)
        close(lock);
    free(path);
    return result;
}

static int open_in(struct cache **cache, const char *folder, bool anew, struct err *err)
{
    struct cache *c = alloc_zero(1, sizeof(*c));
    struct err why = ERR_INIT;
    *cache = NULL;
    c->folder = alloc_text(folder);
    pthread_mutex_init(&c->lock, NULL);
    int result = open_kept(c, anew, &why);
    if (result != 0)
        result = open_unkept(c, &why, err);
    if (result != 0)
        cache_close(&c);
    *cache = c;
    return result;
}

int cache_open(struct cache **cache, const char *folder, struct err *err)
{
    return open_in(cache, folder, false, err);
}

const char *cache_notice(const struct cache *cache, bool expected)
{
    if (cache->notice == NULL && cache->is_new && expected)
        return "this vault's cache is not there any more: it is made anew";
    return cache->notice;
}

int cache_renew(struct cache **cache, struct err *err)
{
    char *folder = alloc_text((*cache)->folder);
    cache_close(cache);
    int result = open_in(cache, folder, true, err);
    free(folder);
    return result;
}

bool cache_is_damaged(struct cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    bool damaged = cache->damaged;
    pthread_mutex_unlock(&cache->lock);
    return damaged;
}

bool cache_is_whole(struct cache *cache)
{
    sqlite3_stmt *check = NULL;
    pthread_mutex_lock(&cache->lock);
    bool whole =
        sqlite3_prepare_v2(cache->db, "PRAGMA quick_check(1)", -1, &check, NULL) == SQLITE_OK &&
        sqlite3_step(check) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0;
    sqlite3_finalize(check);
    sqlite3_stmt *altered = cache->statements[CACHE_ALTERED];
    whole = whole && sqlite3_step(altered) == SQLITE_ROW && sqlite3_column_int(altered, 0) == 0;
    sqlite3_reset(altered);
    pthread_mutex_unlock(&cache->lock);
    return whole;
}

void cache_close(struct cache **cache)
{
    struct cache *c = *cache;
    if (c == NULL)
        return;
    struct err ignored = ERR_INIT;
    if (c->batch && cache_end(c, &ignored) != 0)
        c->batch = false; /* lost, but the index packs know it all */
    if (c->db != NULL)
        close_file(c);
    if (c->damaged && c->path != NULL && c->path[0] != '\0')
        cache_remove(c->path);
    pthread_mutex_destroy(&c->lock);
    free(c->notice);
    free(c->folder);
    free(c->path);
    free(c);
    *cache = NULL;
}
