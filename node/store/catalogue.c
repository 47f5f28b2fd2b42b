/* One connection, prepared statements kept, write-ahead log, exclusive locking (the store holds the
 * directory's lock anyway): a row costs microseconds and no fsync. synchronous=NORMAL syncs the log
 * only at checkpoints; a durable commit raises it to FULL, which syncs the log, with all that came
 * before it. */
#include "node/store/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "node/common/durable.h"
#include "node/store/catalogue_sql.h"

#define CATALOGUE_VERSION    4
#define CATALOGUE_HEAP_BYTES (2 * 1024 * 1024)

static const char schema[] =
    "CREATE TABLE fragment (object BLOB NOT NULL, vault BLOB NOT NULL, idx INTEGER NOT NULL,"
    " pack BLOB NOT NULL, writer BLOB NOT NULL, reader INTEGER NOT NULL,"
    " bringer BLOB NOT NULL, data INTEGER NOT NULL, parity INTEGER NOT NULL,"
    " pack_bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL, holders BLOB NOT NULL,"
    " sponsor BLOB NOT NULL, PRIMARY KEY (object, vault, idx)) WITHOUT ROWID;"
    "CREATE INDEX fragment_pack ON fragment (pack, vault, object, idx);"
    "CREATE INDEX fragment_vault ON fragment (vault, file_bytes);"
    "CREATE TABLE belief (object BLOB NOT NULL, vault BLOB NOT NULL, writer BLOB NOT NULL,"
    " reader INTEGER NOT NULL, pack BLOB NOT NULL, data INTEGER NOT NULL, parity INTEGER NOT NULL,"
    " pack_bytes INTEGER NOT NULL, PRIMARY KEY (object, vault, writer)) WITHOUT ROWID;"
    "CREATE TABLE lost (object BLOB NOT NULL, vault BLOB NOT NULL, idx INTEGER NOT NULL,"
    " PRIMARY KEY (object, vault, idx)) WITHOUT ROWID;"
    /* kept: enum pin_kept. */
    "CREATE TABLE pin (pack BLOB NOT NULL, vault BLOB NOT NULL, writer BLOB NOT NULL,"
    " attempt BLOB NOT NULL, number INTEGER NOT NULL, kept INTEGER NOT NULL,"
    " PRIMARY KEY (pack, vault, writer, attempt)) WITHOUT ROWID;"
    "CREATE INDEX pin_writer ON pin (vault, writer, kept);"
    /* What each sponsor's entries have of a file of pins; the head is the first one's. */
    "CREATE TABLE pin_file (vault BLOB NOT NULL, writer BLOB NOT NULL, sponsor BLOB NOT NULL,"
    " bytes INTEGER NOT NULL, PRIMARY KEY (vault, writer, sponsor)) WITHOUT ROWID;"
    "CREATE TABLE record (hash BLOB NOT NULL PRIMARY KEY, vault BLOB NOT NULL,"
    " file_bytes INTEGER NOT NULL, writer BLOB NOT NULL, kind INTEGER NOT NULL,"
    " number INTEGER NOT NULL, attempt BLOB NOT NULL, previous BLOB NOT NULL,"
    " sponsor BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX record_vault ON record (vault, hash);"
    "CREATE INDEX record_writer ON record (vault, writer, kind, number);"
    "CREATE TABLE void (vault BLOB NOT NULL, writer BLOB NOT NULL, attempt BLOB NOT NULL,"
    " PRIMARY KEY (vault, writer, attempt)) WITHOUT ROWID;"
    /* What all records and pins of a sponsor are charged. */
    "CREATE TABLE sponsor (node BLOB NOT NULL PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;"
    /* Hashes of records that were refused, the oldest first; share: what their sponsor could have. */
    "CREATE TABLE refused (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,"
    " share INTEGER NOT NULL);"
    "CREATE TABLE store (epoch INTEGER NOT NULL);";

static int run_text(sqlite3 *db, const char *text, struct err *err)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        return sql_fail(db, "setting up", err);
    return 0;
}

static int first_number(sqlite3 *db, const char *text, uint64_t *number, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int result = 0;
    *number = 0;
    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
        return sql_fail(db, text, err);
    if (sqlite3_step(s) == SQLITE_ROW)
        *number = sql_column_number(s, 0);
    else
        result = sql_fail(db, text, err);
    sqlite3_finalize(s);
    return result;
}

static bool is_sound(sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    bool sound = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &s, NULL) == SQLITE_OK &&
                 sqlite3_step(s) == SQLITE_ROW &&
                 strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0;
    sqlite3_finalize(s);
    return sound;
}

/* 0: ours and sound, or created now. */
static int set_up(sqlite3 *db, uint64_t epoch, struct err *err)
{
    uint64_t version, tables, found;
    char text[128];
    if (run_text(db,
                 "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                 "PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1024;"
                 "PRAGMA journal_size_limit=4194304; PRAGMA trusted_schema=OFF;",
                 err) != 0 ||
        first_number(db, "PRAGMA user_version", &version, err) != 0 ||
        first_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err) != 0)
        return -1;
    if (version == 0 && tables == 0) {
        snprintf(text, sizeof(text), "INSERT INTO store VALUES (%lld); PRAGMA user_version=%d;",
                 (long long)epoch, CATALOGUE_VERSION);
        return run_text(db, "BEGIN", err) != 0 || run_text(db, schema, err) != 0 ||
                       run_text(db, text, err) != 0 || run_text(db, "COMMIT", err) != 0
                   ? -1
                   : 0;
    }
    if (version > CATALOGUE_VERSION)
        return err_set(err, ERR_VERSION, "catalogue of version %llu: this program knows %d",
                       (unsigned long long)version, CATALOGUE_VERSION);
    if (version != CATALOGUE_VERSION || !is_sound(db) ||
        first_number(db, "SELECT epoch FROM store", &found, err) != 0 || found != epoch)
        return err_set(err, ERR_DAMAGED, "the catalogue is not this store's, or damaged");
    return 0;
}

static int open_once(sqlite3 **db, const char *path, uint64_t epoch, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, db, flags, NULL) == SQLITE_OK) {
        sqlite3_extended_result_codes(*db, 1);
        if (set_up(*db, epoch, err) == 0)
            return 0;
    } else {
        sql_fail(*db, path, err);
    }
    sqlite3_close(*db);
    *db = NULL;
    return -1;
}

/* What SQLite keeps beside a database: of another one, it would be taken for this one's. */
static void remove_beside(const char *path)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    char name[DURABLE_PATH_MAX];
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        int length = snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        if (length > 0 && (size_t)length < sizeof(name))
            unlink(name);
    }
}

void catalogue_remove(const char *path)
{
    unlink(path);
    remove_beside(path);
}

int catalogue_open(struct catalogue **catalogue, const char *path, uint64_t epoch, struct err *err)
{
    sqlite3 *db = NULL;
    struct err reason = ERR_INIT;
    *catalogue = NULL;
    /* For the process, which has no other use of SQLite: a ceiling over caches of all kinds. */
    sqlite3_soft_heap_limit64(CATALOGUE_HEAP_BYTES);
    int result = open_once(&db, path, epoch, &reason);
    if (result != 0 && reason.code == ERR_DAMAGED) {
        catalogue_remove(path);
        result = open_once(&db, path, epoch, &reason);
    }
    if (result != 0)
        return err_set(err, reason.code, "%s: %s", path, reason.text);
    struct catalogue *c = alloc_zero(1, sizeof(*c));
    c->db = db;
    *catalogue = c;
    return 0;
}

static void close_connection(struct catalogue *c)
{
    for (size_t i = 0; i < SQL_QUERIES; i++) {
        sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    sqlite3_close(c->db);
    c->db = NULL;
}

static int reopen(struct catalogue *c, const char *path, uint64_t epoch, struct err *err)
{
    struct err reason = ERR_INIT;
    c->durable = false;
    if (open_once(&c->db, path, epoch, &reason) != 0)
        return err_set(err, reason.code, "%s: %s", path, reason.text);
    return 0;
}

/* SQLite deletes its log by name when it closes: so the old connection is closed before the new one
 * opens, and not before the copy has its name, since until then only that connection has all rows.
 * SQLite fsyncs nothing of what it vacuums into; durable_rename does. */
int catalogue_restore(struct catalogue *c, const char *path, uint64_t epoch, struct err *err)
{
    char copy[DURABLE_PATH_MAX];
    snprintf(copy, sizeof(copy), "%s" DURABLE_TEMPORARY, path);
    if (c->db != NULL) {
        catalogue_remove(copy);
        char *text = sqlite3_mprintf("VACUUM INTO %Q", copy);
        int result = run_text(c->db, text, err);
        sqlite3_free(text);
        if (result != 0)
            return -1;
        remove_beside(path);
        if (durable_rename(copy, path, err) != 0)
            return -1;
        close_connection(c);
    }
    return reopen(c, path, epoch, err);
}

int catalogue_renew(struct catalogue *c, const char *path, uint64_t epoch, struct err *err)
{
    close_connection(c);
    catalogue_remove(path);
    return reopen(c, path, epoch, err);
}

void catalogue_close(struct catalogue **catalogue)
{
    struct catalogue *c = *catalogue;
    if (c == NULL)
        return;
    close_connection(c);
    free(c);
    *catalogue = NULL;
}

int catalogue_begin(struct catalogue *c, bool durable, struct err *err)
{
    /* The level can only be changed between transactions. */
    if (durable != c->durable &&
        run_text(c->db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err) !=
            0)
        return -1;
    c->durable = durable;
    sqlite3_stmt *s = sql_statement(c, SQL_BEGIN, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_commit(struct catalogue *c, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_COMMIT, err);
    if (s != NULL && sql_run(c, s, err) == 0)
        return 0;
    catalogue_rollback(c);
    return -1;
}

void catalogue_rollback(struct catalogue *c)
{
    sqlite3_stmt *s = sql_statement(c, SQL_ROLLBACK, NULL);
    if (s != NULL && sqlite3_get_autocommit(c->db) == 0)
        (void)!sql_run(c, s, NULL);
}
