/* All SQL that rows are read and written with, in one list. */
#include "node/store/catalogue_sql.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "coding/rs.h"
#include "node/store/catalogue.h"

#define INFO_COLUMNS                                                                               \
    "object, vault, idx, pack, bringer, data, parity, pack_bytes, file_bytes, writer, reader,"     \
    " sponsor"
#define BELIEF_COLUMNS "object, vault, writer, reader, pack, data, parity, pack_bytes"
#define THE_FRAGMENT   "object = ?1 AND vault = ?2 AND idx = ?3"
#define RECORD_COLUMNS "hash, vault, file_bytes, writer, kind, number, attempt, previous, sponsor"
#define OF_WRITER      "vault = ?1 AND writer = ?2"
/* enum pin_kept, and RECORD_CLOSED and RECORD_CHARGE_MIN. */
#define SAID    "-1"
#define IN_FILE "1"
#define DOUBTED "2"
#define CLOSED  "6"
#define CHARGE  "max(file_bytes, 4096)"

#define IS_SHORT_ID(column) "typeof(" column ") = 'blob' AND length(" column ") = 16"
#define IS_ID(COLUMN)       "typeof(" COLUMN ") = 'blob' AND length(" COLUMN ") = 32"

_Static_assert(ID_SIZE == 32 && WRITER_ID_SIZE == 16, "the lengths that stand in the queries");

static const char *const queries[SQL_QUERIES] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_ADD_FRAGMENT] = "INSERT OR REPLACE INTO fragment (" INFO_COLUMNS ", holders)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
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
    [SQL_VAULT_BYTES] = "SELECT coalesce(sum(file_bytes), 0) FROM fragment WHERE vault = ?1",
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
                     " AND " IS_ID("bringer") " AND " IS_ID(
                         "sponsor") " AND typeof(writer) = 'blob' AND length(writer) = 16"
                                    " AND typeof(reader) = 'integer')",
    [SQL_REMOVE_MALFORMED_RECORDS] =
        "DELETE FROM record WHERE NOT (" IS_ID("hash") " AND " IS_ID("vault") " AND " IS_SHORT_ID("writer") " AND " IS_SHORT_ID(
            "attempt") " AND " IS_ID("previous") " AND " IS_ID("sponsor") " AND typeof(file_bytes) "
                                                                          "= 'integer' AND "
                                                                          "file_bytes BETWEEN 1 "
                                                                          "AND ?1"
                                                                          " AND typeof(kind) = "
                                                                          "'integer' AND "
                                                                          "typeof(number) = "
                                                                          "'integer'"
                                                                          " AND number >= 0 AND ?2 "
                                                                          "> 0)",
    [SQL_REMOVE_MALFORMED_PINS] =
        "DELETE FROM pin WHERE NOT (" IS_ID("pack") " AND " IS_ID("vault") " AND " IS_SHORT_ID(
            "writer") " AND " IS_SHORT_ID("attempt") " AND typeof(number) = 'integer'"
                                                     " AND number >= 0 AND typeof(kept) = "
                                                     "'integer' AND ?1 > 0 AND ?2 > 0)",
    [SQL_REMOVE_MALFORMED_PIN_FILES] =
        "DELETE FROM pin_file WHERE NOT (" IS_ID("vault") " AND " IS_SHORT_ID(
            "writer") " AND " IS_ID("sponsor") " AND typeof(bytes) = 'integer' AND bytes BETWEEN 1 "
                                               "AND ?1 AND ?2 > 0)",
    [SQL_REMOVE_MALFORMED_BELIEFS] =
        "DELETE FROM belief WHERE NOT (" IS_ID("object") " AND " IS_ID("pack") " AND " IS_ID(
            "vault") " AND typeof(writer) = 'blob' AND length(writer) = 16"
                     " AND typeof(reader) = 'integer' AND typeof(data) = 'integer'"
                     " AND typeof(parity) = 'integer' AND typeof(pack_bytes) = 'integer'"
                     " AND data BETWEEN 1 AND ?2 AND parity BETWEEN 0 AND ?2 - data AND ?1 > 0)",
    [SQL_FORGET_PIN_FILES] = "DELETE FROM pin_file",
    [SQL_PIN] = "INSERT INTO pin (pack, vault, writer, attempt, number, kept)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                " ON CONFLICT DO UPDATE SET kept = excluded.kept, number = excluded.number"
                " WHERE kept = " SAID " AND excluded.kept > " SAID,
    [SQL_HAS_PIN] = "SELECT 1 FROM pin WHERE pack = ?1 AND vault = ?2 AND writer = ?3"
                    " AND attempt = ?4 AND kept > " SAID,
    [SQL_PINNED] =
        "SELECT coalesce(max(number), 0) FROM pin WHERE pack = ?1 AND vault = ?2 AND writer = ?3",
    [SQL_LATER_PINS] = "SELECT attempt FROM pin WHERE pack = ?1 AND vault = ?2 AND writer = ?3"
                       " AND number > ?5 AND kept > " SAID " LIMIT ?6",
    [SQL_DOUBT_PINS] = "UPDATE pin SET kept = " DOUBTED " WHERE " OF_WRITER " AND kept = " IN_FILE,
    [SQL_UNDOUBT_PINS] =
        "UPDATE pin SET kept = " IN_FILE " WHERE " OF_WRITER " AND kept = " DOUBTED,
    [SQL_CONFIRM_PIN] = "UPDATE pin SET kept = " IN_FILE " WHERE pack = ?1 AND vault = ?2"
                        " AND writer = ?3 AND attempt = ?4 AND kept = " DOUBTED,
    [SQL_FORGET_DOUBTED] = "DELETE FROM pin WHERE " OF_WRITER " AND kept = " DOUBTED,
    [SQL_UNKEEP_PINS] = "UPDATE pin SET kept = " SAID " WHERE " OF_WRITER " AND kept >= " IN_FILE,
    [SQL_PIN_FILE_BYTES] = "SELECT coalesce(sum(bytes), 0) FROM pin_file WHERE " OF_WRITER,
    [SQL_PIN_VAULT_BYTES] = "SELECT coalesce(sum(bytes), 0) FROM pin_file WHERE vault = ?1",
    [SQL_ADD_PIN_BYTES] = "INSERT INTO pin_file (vault, writer, sponsor, bytes)"
                          " VALUES (?1, ?2, ?3, ?4)"
                          " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
    [SQL_UNCHARGE_PINS] = "UPDATE sponsor SET bytes = bytes - (SELECT f.bytes FROM pin_file f"
                          " WHERE f.vault = ?1 AND f.writer = ?2 AND f.sponsor = sponsor.node)"
                          " WHERE node IN (SELECT sponsor FROM pin_file WHERE " OF_WRITER ")",
    [SQL_REMOVE_PIN_BYTES] = "DELETE FROM pin_file WHERE " OF_WRITER,
    [SQL_NEXT_PIN_FILE] = "SELECT vault, writer FROM pin_file WHERE (vault, writer) > (?1, ?2)"
                          " ORDER BY vault, writer LIMIT 1",
    [SQL_ADD_RECORD] = "INSERT OR REPLACE INTO record (" RECORD_COLUMNS ")"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_FIND_RECORD] = "SELECT " RECORD_COLUMNS " FROM record WHERE hash = ?1",
    [SQL_REMOVE_RECORD] = "DELETE FROM record WHERE hash = ?1",
    [SQL_LIST_RECORDS] = "SELECT " RECORD_COLUMNS " FROM record WHERE hash > ?1"
                         " ORDER BY hash LIMIT ?2",
    [SQL_LIST_VAULT_RECORDS] = "SELECT " RECORD_COLUMNS " FROM record WHERE vault = ?3"
                               " AND hash > ?1 ORDER BY hash LIMIT ?2",
    [SQL_WRITER_RECORDS] = "SELECT " RECORD_COLUMNS " FROM record WHERE " OF_WRITER
                           " AND kind != " CLOSED " AND (number, hash) < (?3, ?4)"
                           " ORDER BY number DESC, hash DESC LIMIT ?5",
    [SQL_CLOSED] = "SELECT " RECORD_COLUMNS " FROM record WHERE " OF_WRITER " AND kind = " CLOSED
                   " ORDER BY number LIMIT 1",
    [SQL_ADD_VOID] = "INSERT OR IGNORE INTO void (vault, writer, attempt) VALUES (?1, ?2, ?3)",
    [SQL_IS_VOID] = "SELECT 1 FROM void WHERE " OF_WRITER " AND attempt = ?3",
    [SQL_CHARGE] = "INSERT INTO sponsor (node, bytes) VALUES (?1, ?2)"
                   " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
    [SQL_SPONSORED] = "SELECT bytes FROM sponsor WHERE node = ?1",
    [SQL_FORGET_SPONSORS] = "DELETE FROM sponsor",
    [SQL_SUM_SPONSORS] = "INSERT INTO sponsor SELECT sponsor, sum(bytes) FROM"
                         " (SELECT sponsor, " CHARGE " AS bytes FROM record"
                         " UNION ALL SELECT sponsor, bytes FROM pin_file) GROUP BY sponsor",
    [SQL_REFUSE] = "INSERT OR REPLACE INTO refused (hash, share) VALUES (?1, ?2)",
    [SQL_FORGET_REFUSED] = "DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?1",
    [SQL_IS_REFUSED] = "SELECT 1 FROM refused WHERE hash = ?1 AND share >= ?2",
    [SQL_TOTAL_FRAGMENTS] = "SELECT count(*), coalesce(sum(file_bytes), 0) FROM fragment",
    [SQL_TOTAL_RECORDS] = "SELECT count(*), coalesce(sum(file_bytes), 0) FROM record",
    [SQL_TOTAL_PINS] = "SELECT count(*), coalesce(sum(bytes), 0) FROM pin_file",
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

int sql_number(struct catalogue *c, sqlite3_stmt *s, uint64_t *number, struct err *err)
{
    int row = sql_step(c, s, err);
    *number = row == 1 ? sql_column_number(s, 0) : 0;
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

int sql_any(struct catalogue *c, sqlite3_stmt *s, bool *any, struct err *err)
{
    int row = sql_step(c, s, err);
    *any = row == 1;
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

int sql_charge(struct catalogue *c, const struct node_id *sponsor, int64_t bytes, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_CHARGE, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, sponsor->bytes, ID_SIZE);
    sqlite3_bind_int64(s, 2, bytes);
    return sql_run(c, s, err);
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
        SQL_REMOVE_MALFORMED_FRAGMENTS, SQL_REMOVE_MALFORMED_RECORDS, SQL_REMOVE_MALFORMED_BELIEFS,
        SQL_REMOVE_MALFORMED_PINS, SQL_REMOVE_MALFORMED_PIN_FILES};
    int removed = 0;
    for (size_t i = 0; i < sizeof(of_tables) / sizeof(of_tables[0]); i++) {
        sqlite3_stmt *s = sql_statement(c, of_tables[i], err);
        if (s == NULL)
            return -1;
        sql_bind_number(s, 1, FILE_BYTES_MAX);
        sql_bind_number(s, 2, RS_TOTAL_MAX);
        if (sql_run(c, s, err) != 0)
            return -1;
        bool of_pins = of_tables[i] == SQL_REMOVE_MALFORMED_PINS ||
                       of_tables[i] == SQL_REMOVE_MALFORMED_PIN_FILES;
        removed += of_pins ? sqlite3_changes(c->db) : 0;
    }
    if (removed == 0)
        return 0;
    /* A file of pins whose length is not known is read anew. */
    sqlite3_stmt *s = sql_statement(c, SQL_FORGET_PIN_FILES, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}
