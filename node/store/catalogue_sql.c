/* All SQL that rows are read and written with, in one list. */
#include "node/store/catalogue_sql.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#define INFO_COLUMNS                                                                               \
    "object, vault, idx, pack, bringer, data, parity, pack_bytes, file_bytes, writer, reader"
#define BELIEF_COLUMNS "object, vault, writer, reader, pack, data, parity, pack_bytes"
#define THE_FRAGMENT   "object = ?1 AND vault = ?2 AND idx = ?3"

static const char *const queries[SQL_QUERIES] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_ADD_FRAGMENT] = "INSERT OR REPLACE INTO fragment (" INFO_COLUMNS ", holders)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [SQL_FIND_FRAGMENT] = "SELECT " INFO_COLUMNS ", holders FROM fragment WHERE " THE_FRAGMENT,
    [SQL_FIND_GRANTED] = "SELECT " INFO_COLUMNS " FROM fragment WHERE object = ?1 AND vault = ?2"
                         " ORDER BY reader DESC, writer = ?3 DESC, idx LIMIT 1",
    [SQL_COUNT_BROUGHT] = "SELECT count(*) FROM fragment WHERE object = ?1 AND vault = ?2"
                          " AND idx <> ?3 AND bringer = ?4",
    [SQL_SET_HOLDERS] = "UPDATE fragment SET holders = ?4 WHERE " THE_FRAGMENT,
    [SQL_REMOVE_FRAGMENT] = "DELETE FROM fragment WHERE " THE_FRAGMENT,
    [SQL_FIND_PACK] = "SELECT " INFO_COLUMNS " FROM fragment WHERE pack = ?1 AND vault = ?2"
                      " AND (object, idx) > (?3, ?4) ORDER BY object, idx LIMIT ?5",
    [SQL_LIST_FRAGMENTS] = "SELECT " INFO_COLUMNS " FROM fragment"
                           " WHERE (object, vault, idx) > (?1, ?2, ?3)"
                           " ORDER BY object, vault, idx LIMIT ?4",
    [SQL_BELIEVE] = "INSERT OR REPLACE INTO belief (" BELIEF_COLUMNS ")"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_BELIEVED] = "SELECT " BELIEF_COLUMNS " FROM belief WHERE object = ?1 AND vault = ?2"
                     " AND (reader OR writer = ?3 OR ?4)"
                     " ORDER BY reader DESC, writer LIMIT 1",
    [SQL_PIN] = "INSERT INTO pin (pack, vault, writer, number) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT DO UPDATE SET number = max(number, excluded.number)",
    [SQL_PINNED] = "SELECT number FROM pin WHERE pack = ?1 AND vault = ?2 AND writer = ?3",
    [SQL_ADD_RECORD] =
        "INSERT OR REPLACE INTO record (hash, vault, file_bytes) VALUES (?1, ?2, ?3)",
    [SQL_FIND_RECORD] = "SELECT hash, vault, file_bytes FROM record WHERE hash = ?1",
    [SQL_REMOVE_RECORD] = "DELETE FROM record WHERE hash = ?1",
    [SQL_LIST_RECORDS] = "SELECT hash, vault, file_bytes FROM record WHERE hash > ?1"
                         " ORDER BY hash LIMIT ?2",
    [SQL_LIST_VAULT_RECORDS] = "SELECT hash, vault, file_bytes FROM record WHERE vault = ?3"
                               " AND hash > ?1 ORDER BY hash LIMIT ?2",
    [SQL_TOTAL_FRAGMENTS] = "SELECT count(*), coalesce(sum(file_bytes), 0) FROM fragment",
    [SQL_TOTAL_RECORDS] = "SELECT count(*), coalesce(sum(file_bytes), 0) FROM record",
};

int sql_fail(sqlite3 *db, const char *what, struct err *err)
{
    enum err_code code = ERR_IO;
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_FULL:
        code = ERR_FULL;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = ERR_DAMAGED;
        break;
    default:
        break;
    }
    return err_set(err, code, "the catalogue: %s: %s", what, sqlite3_errmsg(db));
}

sqlite3_stmt *sql_statement(struct catalogue *c, enum sql_query query, struct err *err)
{
    assert(query < SQL_QUERIES && queries[query] != NULL);
    if (c->statements[query] == NULL &&
        sqlite3_prepare_v3(c->db, queries[query], -1, SQLITE_PREPARE_PERSISTENT,
                           &c->statements[query], NULL) != SQLITE_OK) {
        sql_fail(c->db, queries[query], err);
        return NULL;
    }
    return c->statements[query];
}

void sql_bind_bytes(sqlite3_stmt *s, int at, const void *bytes, size_t size)
{
    assert(size <= INT_MAX);
    sqlite3_bind_blob(s, at, bytes, (int)size, SQLITE_STATIC);
}

void sql_bind_number(sqlite3_stmt *s, int at, uint64_t number)
{
    sqlite3_bind_int64(s, at, (int64_t)number);
}

int sql_step(struct catalogue *c, sqlite3_stmt *s, struct err *err)
{
    int result = sqlite3_step(s);
    if (result == SQLITE_ROW)
        return 1;
    if (result == SQLITE_DONE)
        return 0;
    sql_fail(c->db, sqlite3_sql(s), err);
    sqlite3_reset(s);
    return -1;
}

void sql_finish(sqlite3_stmt *s)
{
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

int sql_run(struct catalogue *c, sqlite3_stmt *s, struct err *err)
{
    int result = sql_step(c, s, err);
    sql_finish(s);
    return result < 0 ? -1 : 0;
}

bool sql_column_bytes(sqlite3_stmt *s, int at, void *to, size_t size)
{
    const void *bytes = sqlite3_column_blob(s, at);
    if (bytes == NULL || (size_t)sqlite3_column_bytes(s, at) != size)
        return false;
    memcpy(to, bytes, size);
    return true;
}

uint64_t sql_column_number(sqlite3_stmt *s, int at)
{
    return (uint64_t)sqlite3_column_int64(s, at);
}

int sql_malformed_row(sqlite3_stmt *s, struct err *err)
{
    sql_finish(s);
    return err_set(err, ERR_DAMAGED, "the catalogue has a malformed row");
}
