/* Rows in and out. What comes from the file is checked for size, as everything from a disk is. */
#include <assert.h>
#include <string.h>

#include "coding/rs.h"
#include "node/store/catalogue.h"
#include "node/store/catalogue_sql.h"

/* ---- fragments ---- */

/* A statement about one fragment. */
static int run_named(struct catalogue *c, enum sql_query query, const struct object_id *object,
                     uint32_t index, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, query, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, object->bytes, ID_SIZE);
    sql_bind_number(s, 2, index);
    return sql_run(c, s, err);
}

int catalogue_add_fragment(struct catalogue *c, const struct fragment_info *info,
                           const struct holders *holders, struct err *err)
{
    assert(info->index < info->data + info->parity && info->file_bytes > 0);
    assert(holders->count <= HOLDERS_MAX);
    sqlite3_stmt *s = sql_statement(c, SQL_ADD_FRAGMENT, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, info->object.bytes, ID_SIZE);
    sql_bind_number(s, 2, info->index);
    sql_bind_bytes(s, 3, info->pack.bytes, ID_SIZE);
    sql_bind_bytes(s, 4, info->vault.bytes, ID_SIZE);
    sql_bind_number(s, 5, info->data);
    sql_bind_number(s, 6, info->parity);
    sql_bind_number(s, 7, info->pack_bytes);
    sql_bind_number(s, 8, info->file_bytes);
    sql_bind_bytes(s, 9, info->sponsor.bytes, ID_SIZE);
    sql_bind_bytes(s, 10, holders->node, (size_t)holders->count * ID_SIZE);
    return sql_run(c, s, err) != 0 ? -1
                                   : run_named(c, SQL_REMOVE_LOST, &info->object, info->index, err);
}

/* A row may be damaged like any byte on a disk. */
static bool read_info(sqlite3_stmt *s, struct fragment_info *info)
{
    info->index = (uint32_t)sql_column_number(s, 1);
    info->data = (uint32_t)sql_column_number(s, 4);
    info->parity = (uint32_t)sql_column_number(s, 5);
    info->pack_bytes = sql_column_number(s, 6);
    info->file_bytes = sql_column_number(s, 7);
    return info->data >= 1 && info->data <= RS_TOTAL_MAX &&
           info->parity <= RS_TOTAL_MAX - info->data && info->index < info->data + info->parity &&
           info->file_bytes <= FILE_BYTES_MAX &&
           sql_column_bytes(s, 0, info->object.bytes, ID_SIZE) &&
           sql_column_bytes(s, 2, info->pack.bytes, ID_SIZE) &&
           sql_column_bytes(s, 3, info->vault.bytes, ID_SIZE) &&
           sql_column_bytes(s, 8, info->sponsor.bytes, ID_SIZE);
}

static bool read_holders(sqlite3_stmt *s, struct holders *holders)
{
    size_t size = (size_t)sqlite3_column_bytes(s, 9);
    memset(holders, 0, sizeof(*holders));
    if (size % ID_SIZE != 0 || size > sizeof(holders->node))
        return false;
    holders->count = (uint32_t)(size / ID_SIZE);
    return size == 0 || sql_column_bytes(s, 9, holders->node, size);
}

int catalogue_find_fragment(struct catalogue *c, const struct object_id *object, uint32_t index,
                            struct fragment_info *info, struct holders *holders, bool *found,
                            struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_FIND_FRAGMENT, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, object->bytes, ID_SIZE);
    sql_bind_number(s, 2, index);
    int row = sql_step(c, s, err);
    *found = row == 1;
    if (row == 1 &&
        ((info != NULL && !read_info(s, info)) || (holders != NULL && !read_holders(s, holders))))
        return sql_malformed_row(s, err);
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

int catalogue_set_holders(struct catalogue *c, const struct object_id *object, uint32_t index,
                          const struct holders *holders, struct err *err)
{
    assert(holders->count <= HOLDERS_MAX);
    sqlite3_stmt *s = sql_statement(c, SQL_SET_HOLDERS, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, object->bytes, ID_SIZE);
    sql_bind_number(s, 2, index);
    sql_bind_bytes(s, 3, holders->node, (size_t)holders->count * ID_SIZE);
    return sql_run(c, s, err);
}

int catalogue_remove_fragment(struct catalogue *c, const struct object_id *object, uint32_t index,
                              struct err *err)
{
    return run_named(c, SQL_REMOVE_FRAGMENT, object, index, err);
}

int catalogue_lose_fragment(struct catalogue *c, const struct object_id *object, uint32_t index,
                            struct err *err)
{
    return run_named(c, SQL_ADD_LOST, object, index, err) != 0
               ? -1
               : catalogue_remove_fragment(c, object, index, err);
}

int catalogue_forget_lost(struct catalogue *c, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_FORGET_LOST, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_lost(struct catalogue *c, uint64_t *count, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_COUNT_LOST, err);
    if (s == NULL || sql_step(c, s, err) != 1)
        return -1;
    *count = sql_column_number(s, 0);
    sql_finish(s);
    return 0;
}

/* Reads all rows of a bound statement that has a LIMIT of max. */
static int read_infos(struct catalogue *c, sqlite3_stmt *s, struct fragment_info *found, size_t max,
                      size_t *count, struct err *err)
{
    int row = 0;
    *count = 0;
    while (*count < max && (row = sql_step(c, s, err)) == 1)
        if (!read_info(s, &found[(*count)++]))
            return sql_malformed_row(s, err);
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

int catalogue_find_pack(struct catalogue *c, const struct pack_id *pack,
                        struct fragment_info *found, size_t max, size_t *count, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_FIND_PACK, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, pack->bytes, ID_SIZE);
    sql_bind_number(s, 2, max);
    return read_infos(c, s, found, max, count, err);
}

int catalogue_list_fragments(struct catalogue *c, const struct fragment_info *after,
                             struct fragment_info *found, size_t max, size_t *count,
                             struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_LIST_FRAGMENTS, err);
    if (s == NULL)
        return -1;
    /* A zero-length blob comes before every object. */
    sql_bind_bytes(s, 1, after != NULL ? (const void *)after->object.bytes : "",
                   after != NULL ? ID_SIZE : 0);
    sql_bind_number(s, 2, after != NULL ? after->index : 0);
    sql_bind_number(s, 3, max);
    return read_infos(c, s, found, max, count, err);
}

int catalogue_vault_bytes(struct catalogue *c, const struct vault_id *vault, uint64_t *bytes,
                          struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_VAULT_BYTES, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, vault->bytes, ID_SIZE);
    return sql_number(c, s, bytes, err);
}

/* ---- all of it ---- */

int catalogue_remove_malformed(struct catalogue *c, struct err *err)
{
    static const enum sql_query of_tables[] = {
        SQL_REMOVE_MALFORMED_FRAGMENTS, SQL_REMOVE_MALFORMED_RECORDS, SQL_REMOVE_MALFORMED_PINS,
        SQL_REMOVE_MALFORMED_PIN_FILES};
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

static int total(struct catalogue *c, enum sql_query query, uint64_t *count, uint64_t *bytes,
                 struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, query, err);
    if (s == NULL || sql_step(c, s, err) != 1)
        return -1;
    *count = sql_column_number(s, 0);
    *bytes = sql_column_number(s, 1);
    sql_finish(s);
    return 0;
}

int catalogue_totals(struct catalogue *c, uint64_t *bytes, uint64_t *fragments, uint64_t *records,
                     struct err *err)
{
    uint64_t record_bytes, pin_bytes, pin_files;
    if (total(c, SQL_TOTAL_FRAGMENTS, fragments, bytes, err) != 0 ||
        total(c, SQL_TOTAL_RECORDS, records, &record_bytes, err) != 0 ||
        total(c, SQL_TOTAL_PINS, &pin_files, &pin_bytes, err) != 0)
        return -1;
    *bytes += record_bytes + pin_bytes;
    return 0;
}
