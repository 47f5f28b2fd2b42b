/* All SQL that rows are read and written with, in one list. */
#include "node/store/catalogue_sql.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "coding/rs.h"
#include "node/store/catalogue.h"

#define INFO_COLUMNS                                                                               \
    "object, vault, idx, pack, bringer, data, parity, pack_bytes, file_bytes, writer, reader"
#define BELIEF_COLUMNS "object, vault, writer, reader, pack, data, parity, pack_bytes"
#define THE_FRAGMENT   "object = ?1 AND vault = ?2 AND idx = ?3"

#define IS_ID(COLUMN) "typeof(" COLUMN ") = 'blob' AND length(" COLUMN ") = 32"

_Static_assert(ID_SIZE == 32 && WRITER_ID_SIZE == 16, "the lengths that stand in the queries");

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
    [SQL_ADD_LOST] = "INSERT OR IGNORE INTO lost (object, vault, idx) VALUES (?1, ?2, ?3)",
    [SQL_REMOVE_LOST] = "DELETE FROM lost WHERE " THE_FRAGMENT,
    [SQL_FORGET_LOST] = "DELETE FROM lost",
    [SQL_COUNT_LOST] = "SELECT count(*) FROM lost",
    /* What read_info, read_holders and read_record refuse. */
    [SQL_REMOVE_MALFORMED_FRAGMENTS] =
        "DELETE FROM fragment WHERE NOT (" IS_ID("object") " AND " IS_ID("pack") " AND " IS_ID(
            "vault") " AND typeof(idx) = 'integer' AND typeof(data) = 'integer'"
                     " AND typeof(parity) = 'integer' AND typeof(pack_bytes) = 'integer'"
                     " AND typeof(file_bytes) = 'integer' AND file_bytes BETWEEN 1 AND ?1"
                     " AND data BETWEEN 1 AND ?2 AND parity BETWEEN 0 AND ?2 - data"
                     " AND idx BETWEEN 0 AND data + parity - 1 AND typeof(holders) = 'blob'"
                     " AND length(holders) % 32 = 0 AND length(holders) <= 32 * ?2"
                     " AND " IS_ID("bringer") " AND typeof(writer) = 'blob' AND length(writer) = 16"
                                              " AND typeof(reader) = 'integer')",
    [SQL_REMOVE_MALFORMED_RECORDS] = "DELETE FROM record WHERE NOT (" IS_ID("hash") " AND " IS_ID(
        "vault") " AND typeof(file_bytes) = 'integer' AND file_bytes BETWEEN 1 AND ?1"
                 " AND ?2 > 0)",
    [SQL_REMOVE_MALFORMED_PINS] = "DELETE FROM pin WHERE NOT (" IS_ID("pack") " AND " IS_ID(
        "vault") " AND typeof(writer) = 'blob' AND length(writer) = 16"
                 " AND typeof(number) = 'integer' AND number >= 0 AND ?1 > 0 AND ?2 > 0)",
    [SQL_REMOVE_MALFORMED_BELIEFS] =
        "DELETE FROM belief WHERE NOT (" IS_ID("object") " AND " IS_ID("pack") " AND " IS_ID(
            "vault") " AND typeof(writer) = 'blob' AND length(writer) = 16"
                     " AND typeof(reader) = 'integer' AND typeof(data) = 'integer'"
                     " AND typeof(parity) = 'integer' AND typeof(pack_bytes) = 'integer'"
                     " AND data BETWEEN 1 AND ?2 AND parity BETWEEN 0 AND ?2 - data AND ?1 > 0)",
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
    assert(number <= INT64_MAX); /* else it would be negative, and less than every other */
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

int catalogue_remove_malformed(struct catalogue *c, struct err *err)
{
    static const enum sql_query of_tables[] = {
        SQL_REMOVE_MALFORMED_FRAGMENTS, SQL_REMOVE_MALFORMED_RECORDS, SQL_REMOVE_MALFORMED_PINS,
        SQL_REMOVE_MALFORMED_BELIEFS};
    for (size_t i = 0; i < sizeof(of_tables) / sizeof(of_tables[0]); i++) {
        sqlite3_stmt *s = sql_statement(c, of_tables[i], err);
        if (s == NULL)
            return -1;
        sql_bind_number(s, 1, FILE_BYTES_MAX);
        sql_bind_number(s, 2, RS_TOTAL_MAX);
        if (sql_run(c, s, err) != 0)
            return -1;
    }
    return 0;
}
