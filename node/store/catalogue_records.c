/* Rows of records, and what they say: which writers are closed, which attempts are void, who brought
 * how much, and what was refused for that. */
#include <assert.h>
#include <string.h>

#include "node/store/catalogue.h"
#include "node/store/catalogue_sql.h"

int catalogue_add_record(struct catalogue *c, const struct record_row *row, struct err *err)
{
    assert(row->file_bytes > 0);
    sqlite3_stmt *s = sql_statement(c, SQL_ADD_RECORD, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, row->hash.bytes, ID_SIZE);
    sql_bind_bytes(s, 2, row->vault.bytes, ID_SIZE);
    sql_bind_number(s, 3, row->file_bytes);
    sql_bind_bytes(s, 4, row->writer.bytes, WRITER_ID_SIZE);
    sql_bind_number(s, 5, row->kind);
    sql_bind_number(s, 6, row->number);
    sql_bind_bytes(s, 7, row->attempt.bytes, ATTEMPT_SIZE);
    sql_bind_bytes(s, 8, row->previous.bytes, ID_SIZE);
    sql_bind_bytes(s, 9, row->sponsor.bytes, ID_SIZE);
    return sql_run(c, s, err) != 0
               ? -1
               : sql_charge(c, &row->sponsor, (int64_t)catalogue_charge(row->file_bytes), err);
}

static bool read_record(sqlite3_stmt *s, struct record_row *row)
{
    row->file_bytes = sql_column_number(s, 2);
    row->kind = (uint32_t)sql_column_number(s, 4);
    row->number = sql_column_number(s, 5);
    return row->file_bytes <= FILE_BYTES_MAX && sql_column_bytes(s, 0, row->hash.bytes, ID_SIZE) &&
           sql_column_bytes(s, 1, row->vault.bytes, ID_SIZE) &&
           sql_column_bytes(s, 3, row->writer.bytes, WRITER_ID_SIZE) &&
           sql_column_bytes(s, 6, row->attempt.bytes, ATTEMPT_SIZE) &&
           sql_column_bytes(s, 7, row->previous.bytes, ID_SIZE) &&
           sql_column_bytes(s, 8, row->sponsor.bytes, ID_SIZE);
}

int catalogue_find_record(struct catalogue *c, const struct record_id *hash, struct record_row *row,
                          bool *found, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_FIND_RECORD, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, hash->bytes, ID_SIZE);
    int result = sql_step(c, s, err);
    *found = result == 1;
    if (result == 1 && !read_record(s, row))
        return sql_malformed_row(s, err);
    sql_finish(s);
    return result < 0 ? -1 : 0;
}

int catalogue_remove_record(struct catalogue *c, const struct record_id *hash, struct err *err)
{
    struct record_row row;
    bool found;
    if (catalogue_find_record(c, hash, &row, &found, err) != 0)
        return -1;
    sqlite3_stmt *s = found ? sql_statement(c, SQL_REMOVE_RECORD, err) : NULL;
    if (s == NULL)
        return found ? -1 : 0;
    sql_bind_bytes(s, 1, hash->bytes, ID_SIZE);
    return sql_run(c, s, err) != 0
               ? -1
               : sql_charge(c, &row.sponsor, -(int64_t)catalogue_charge(row.file_bytes), err);
}

/* Reads all rows of a bound statement that has a LIMIT of max. */
static int read_records(struct catalogue *c, sqlite3_stmt *s, struct record_row *rows, size_t max,
                        size_t *count, struct err *err)
{
    int row = 0;
    *count = 0;
    while (*count < max && (row = sql_step(c, s, err)) == 1)
        if (!read_record(s, &rows[(*count)++]))
            return sql_malformed_row(s, err);
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

int catalogue_list_records(struct catalogue *c, const struct vault_id *vault,
                           const struct record_id *after, struct record_row *rows, size_t max,
                           size_t *count, struct err *err)
{
    sqlite3_stmt *s =
        sql_statement(c, vault != NULL ? SQL_LIST_VAULT_RECORDS : SQL_LIST_RECORDS, err);
    *count = 0;
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, after != NULL ? (const void *)after->bytes : "",
                   after != NULL ? ID_SIZE : 0);
    sql_bind_number(s, 2, max);
    if (vault != NULL)
        sql_bind_bytes(s, 3, vault->bytes, ID_SIZE);
    return read_records(c, s, rows, max, count, err);
}

int catalogue_writer_records(struct catalogue *c, const struct vault_id *vault,
                             const struct writer_id *writer, const struct record_row *after,
                             struct record_row *rows, size_t max, size_t *count, struct err *err)
{
    uint8_t last[ID_SIZE];
    sqlite3_stmt *s = sql_statement(c, SQL_WRITER_RECORDS, err);
    *count = 0;
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, vault->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, writer->bytes, WRITER_ID_SIZE);
    memset(last, 0xff, sizeof(last));
    sql_bind_number(s, 3, after != NULL ? after->number : INT64_MAX);
    sql_bind_bytes(s, 4, after != NULL ? after->hash.bytes : last, ID_SIZE);
    sql_bind_number(s, 5, max);
    return read_records(c, s, rows, max, count, err);
}

int catalogue_closed(struct catalogue *c, const struct vault_id *vault,
                     const struct writer_id *writer, bool *closed, struct record_row *row,
                     struct err *err)
{
    size_t count = 0;
    sqlite3_stmt *s = sql_statement(c, SQL_CLOSED, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, vault->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, writer->bytes, WRITER_ID_SIZE);
    int result = read_records(c, s, row, 1, &count, err);
    *closed = count == 1;
    return result;
}

static sqlite3_stmt *bind_void(struct catalogue *c, enum sql_query query,
                               const struct vault_id *vault, const struct writer_id *writer,
                               const struct attempt_id *attempt, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, query, err);
    if (s == NULL)
        return NULL;
    sql_bind_bytes(s, 1, vault->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, writer->bytes, WRITER_ID_SIZE);
    sql_bind_bytes(s, 3, attempt->bytes, ATTEMPT_SIZE);
    return s;
}

int catalogue_add_void(struct catalogue *c, const struct vault_id *vault,
                       const struct writer_id *writer, const struct attempt_id *attempt,
                       struct err *err)
{
    sqlite3_stmt *s = bind_void(c, SQL_ADD_VOID, vault, writer, attempt, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_is_void(struct catalogue *c, const struct vault_id *vault,
                      const struct writer_id *writer, const struct attempt_id *attempt,
                      bool *is_void, struct err *err)
{
    sqlite3_stmt *s = bind_void(c, SQL_IS_VOID, vault, writer, attempt, err);
    return s == NULL ? -1 : sql_any(c, s, is_void, err);
}

/* ---- who brought what ---- */

int catalogue_sponsored(struct catalogue *c, const struct node_id *sponsor, uint64_t *bytes,
                        struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_SPONSORED, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, sponsor->bytes, ID_SIZE);
    return sql_number(c, s, bytes, err);
}

int catalogue_sum_sponsors(struct catalogue *c, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_FORGET_SPONSORS, err);
    if (s == NULL || sql_run(c, s, err) != 0)
        return -1;
    s = sql_statement(c, SQL_SUM_SPONSORS, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_refuse(struct catalogue *c, const struct record_id *hash, uint64_t share,
                     struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_REFUSE, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, hash->bytes, ID_SIZE);
    sql_bind_number(s, 2, share < INT64_MAX ? share : INT64_MAX);
    if (sql_run(c, s, err) != 0 || (s = sql_statement(c, SQL_FORGET_REFUSED, err)) == NULL)
        return -1;
    sql_bind_number(s, 1, REFUSED_MAX);
    return sql_run(c, s, err);
}

int catalogue_is_refused(struct catalogue *c, const struct record_id *hash, uint64_t share,
                         bool *refused, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_IS_REFUSED, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, hash->bytes, ID_SIZE);
    sql_bind_number(s, 2, share < INT64_MAX ? share : INT64_MAX);
    return sql_any(c, s, refused, err);
}
