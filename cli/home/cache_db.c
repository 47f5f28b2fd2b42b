/* The cache's tables. The reasons for their shape are in cache.c. */
#include "cli/home/cache_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "coding/base/alloc.h"

#define CACHE_VERSION   2
#define CACHE_KIBIBYTES 16384
#define BUSY_MS         20000
#define TEXT_OF(value)  #value
#define TEXT(value)     TEXT_OF(value)

_Static_assert(CACHE_KIBIBYTES * 1024 == CACHE_BYTES, "the limit in the header is the one set");

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS pack(number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL "
    "UNIQUE,"
    " block BLOB);"
    "CREATE INDEX IF NOT EXISTS unpublished ON pack(number) WHERE block IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS chunk(key INTEGER PRIMARY KEY, rest BLOB NOT NULL, pack INTEGER "
    "NOT NULL,"
    " segment INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS other(key INTEGER NOT NULL, pack INTEGER NOT NULL, rest BLOB NOT "
    "NULL,"
    " segment INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY(key, pack)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS index_pack(id BLOB PRIMARY KEY) WITHOUT ROWID;"
    "PRAGMA user_version=" TEXT(CACHE_VERSION) ";"
                                               "COMMIT";

static const char find_text[] =
    "SELECT rest, id, number, segment, offset, size FROM chunk JOIN pack ON number = pack"
    " WHERE key = ?1";
static const char find_other_text[] =
    "SELECT rest, id, number, segment, offset, size FROM other JOIN pack ON number = pack"
    " WHERE key = ?1 AND pack NOT IN (SELECT pack FROM chunk WHERE key = ?1)"
    " ORDER BY pack DESC LIMIT 1 OFFSET ?2";
static const char keep_other_text[] =
    "INSERT OR REPLACE INTO other SELECT key, pack, rest, segment, offset, size"
    " FROM chunk JOIN pack ON number = pack WHERE key = ?1 AND pack <> ?2";
static const char replace_chunk_text[] =
    "UPDATE chunk SET rest = ?2, pack = ?3, segment = ?4, offset = ?5, size = ?6 WHERE key = ?1";
/* A pack that some index names stays published. */
static const char add_pack_text[] =
    "INSERT INTO pack(id, block) VALUES(?1, ?2) ON CONFLICT(id) DO UPDATE SET"
    " block = CASE WHEN block IS NULL THEN NULL ELSE excluded.block END RETURNING number";

static const char *const texts[CACHE_STATEMENTS] = {
    [CACHE_FIND] = find_text,
    [CACHE_FIND_OTHER] = find_other_text,
    [CACHE_ADD_PACK] = add_pack_text,
    [CACHE_ADD_CHUNK] = "INSERT OR IGNORE INTO chunk VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [CACHE_KEEP_OTHER] = keep_other_text,
    [CACHE_REPLACE_CHUNK] = replace_chunk_text,
    [CACHE_DROP_PACK] = "DELETE FROM pack WHERE id = ?1",
    [CACHE_UNPUBLISHED] = "SELECT block FROM pack WHERE block IS NOT NULL ORDER BY number",
    [CACHE_SET_PUBLISHED] = "UPDATE pack SET block = NULL WHERE block IS NOT NULL",
    [CACHE_HAS_PACK] = "SELECT 1 FROM pack WHERE id = ?1",
    [CACHE_HAS_INDEX] = "SELECT 1 FROM index_pack WHERE id = ?1",
    [CACHE_ADD_INDEX] = "INSERT OR IGNORE INTO index_pack VALUES(?1)",
    [CACHE_FORGET_INDEXES] = "DELETE FROM index_pack",
    [CACHE_BEGIN] = "BEGIN IMMEDIATE",
    [CACHE_BEGIN_READING] = "BEGIN",
    [CACHE_COMMIT] = "COMMIT",
};

int cache_fail(struct cache *c, struct err *err, const char *what)
{
    int code = sqlite3_errcode(c->db) & 0xff;
    const char *text = sqlite3_errmsg(c->db);
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_BUSY, "%s: another command is using %s", what, c->path);
    case SQLITE_FULL:
        return err_set(err, ERR_FULL, "%s: no space for %s", what, c->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_DAMAGED, "%s: %s is damaged; delete it, it is made anew", what,
                       c->path);
    default:
        return err_set(err, ERR_IO, "%s: %s: %s", what, c->path, text);
    }
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
    if (sqlite3_exec(c->db, pragmas, NULL, NULL, NULL) != SQLITE_OK ||
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
    /* Made here, so that SQLite gives it and the files beside it no wider permissions. */
    int fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, "opening %s", c->path);
    close(fd);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int result = 0;
    if (sqlite3_open_v2(c->path, &c->db, flags, NULL) != SQLITE_OK)
        result = cache_fail(c, err, "opening the cache");
    if (result == 0)
        result = set_up(c, err);
    if (result != 0)
        close_file(c);
    return result;
}

static void remove_files(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char *file = alloc_format("%s%s", path, ends[i]);
        unlink(file);
        free(file);
    }
}

int cache_open(struct cache **cache, const char *path, struct err *err)
{
    struct cache *c = alloc_zero(1, sizeof(*c));
    *cache = NULL;
    c->path = alloc_text(path);
    pthread_mutex_init(&c->lock, NULL);
    struct err first = ERR_INIT;
    int result = open_file(c, &first);
    if (result != 0 && (first.code == ERR_DAMAGED || first.code == ERR_VERSION)) {
        remove_files(path); /* all that it knew can be read again from the index packs */
        result = open_file(c, err);
    } else if (result != 0 && err != NULL) {
        *err = first;
    }
    if (result != 0)
        cache_close(&c);
    *cache = c;
    return result;
}

int cache_open_in(struct cache **cache, const char *dir, struct err *err)
{
    char *path = alloc_format("%s/cache.db", dir);
    int result = cache_open(cache, path, err);
    free(path);
    return result;
}

int cache_renew(struct cache **cache, struct err *err)
{
    char *path = alloc_text((*cache)->path);
    cache_close(cache);
    remove_files(path);
    int result = cache_open(cache, path, err);
    free(path);
    return result;
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
    pthread_mutex_destroy(&c->lock);
    free(c->path);
    free(c);
    *cache = NULL;
}
