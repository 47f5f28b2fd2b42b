/* catalogue_sql.h - what catalogue.c and catalogue_rows.c share: the connection, its prepared
 * statements, and short words for SQLite's long ones.
 *
 *   Threads  one at a time
 */
#ifndef ECBAK_NODE_STORE_CATALOGUE_SQL_H
#define ECBAK_NODE_STORE_CATALOGUE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define FILE_BYTES_MAX ((uint64_t)1 << 32) /* far more than any file has */

enum sql_query {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_ADD_FRAGMENT,
    SQL_FIND_FRAGMENT,
    SQL_FIND_GRANTED,
    SQL_COUNT_BROUGHT,
    SQL_SET_HOLDERS,
    SQL_REMOVE_FRAGMENT,
    SQL_ADD_LOST,
    SQL_REMOVE_LOST,
    SQL_FORGET_LOST,
    SQL_COUNT_LOST,
    SQL_REMOVE_MALFORMED_FRAGMENTS,
    SQL_REMOVE_MALFORMED_RECORDS,
    SQL_REMOVE_MALFORMED_PINS,
    SQL_REMOVE_MALFORMED_PIN_FILES,
    SQL_REMOVE_MALFORMED_BELIEFS,
    SQL_FORGET_PIN_FILES,
    SQL_FIND_PACK,
    SQL_LIST_FRAGMENTS,
    SQL_VAULT_BYTES,
    SQL_BELIEVE,
    SQL_BELIEVED,
    SQL_PIN,
    SQL_HAS_PIN,
    SQL_PINNED,
    SQL_LATER_PINS,
    SQL_DOUBT_PINS,
    SQL_UNDOUBT_PINS,
    SQL_CONFIRM_PIN,
    SQL_FORGET_DOUBTED,
    SQL_UNKEEP_PINS,
    SQL_PIN_FILE_BYTES,
    SQL_PIN_VAULT_BYTES,
    SQL_ADD_PIN_BYTES,
    SQL_UNCHARGE_PINS,
    SQL_REMOVE_PIN_BYTES,
    SQL_NEXT_PIN_FILE,
    SQL_ADD_RECORD,
    SQL_FIND_RECORD,
    SQL_REMOVE_RECORD,
    SQL_LIST_RECORDS,
    SQL_LIST_VAULT_RECORDS,
    SQL_WRITER_RECORDS,
    SQL_CLOSED,
    SQL_ADD_VOID,
    SQL_IS_VOID,
    SQL_CHARGE,
    SQL_SPONSORED,
    SQL_FORGET_SPONSORS,
    SQL_SUM_SPONSORS,
    SQL_REFUSE,
    SQL_FORGET_REFUSED,
    SQL_IS_REFUSED,
    SQL_TOTAL_FRAGMENTS,
    SQL_TOTAL_RECORDS,
    SQL_TOTAL_PINS,
    SQL_QUERIES,
};

struct catalogue {
    sqlite3 *db;
    bool durable; /* `synchronous` is FULL now */
    sqlite3_stmt *statements[SQL_QUERIES];
};

/* Fills err from the connection's last error; returns -1. */
int sql_fail(sqlite3 *db, const char *what, struct err *err);
/* A prepared statement, kept with the connection; NULL on error. */
sqlite3_stmt *sql_statement(struct catalogue *c, enum sql_query query, struct err *err);
/* Bytes stay the caller's until the statement is reset, which sql_finish and sql_run do. */
void sql_bind_bytes(sqlite3_stmt *s, int at, const void *bytes, size_t size);
void sql_bind_number(sqlite3_stmt *s, int at, uint64_t number);
/* 1: a row; 0: done; -1: error, and the statement is reset. */
int sql_step(struct catalogue *c, sqlite3_stmt *s, struct err *err) MUST_CHECK;
void sql_finish(sqlite3_stmt *s);
/* A statement that returns no rows. */
int sql_run(struct catalogue *c, sqlite3_stmt *s, struct err *err) MUST_CHECK;
/* The number that a bound statement gives; 0 when it gives no row. */
int sql_number(struct catalogue *c, sqlite3_stmt *s, uint64_t *number, struct err *err) MUST_CHECK;
/* Does a bound statement give any row? */
int sql_any(struct catalogue *c, sqlite3_stmt *s, bool *any, struct err *err) MUST_CHECK;
/* Adds to what a sponsor is charged. */
int sql_charge(struct catalogue *c, const struct node_id *sponsor, int64_t bytes,
               struct err *err) MUST_CHECK;
/* A column of exactly this size; false when it is another. */
bool sql_column_bytes(sqlite3_stmt *s, int at, void *to, size_t size);
uint64_t sql_column_number(sqlite3_stmt *s, int at);
/* Finishes the statement with ERR_DAMAGED; returns -1. */
int sql_malformed_row(sqlite3_stmt *s, struct err *err);

#endif
