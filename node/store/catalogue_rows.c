/* Rows in and out. What comes from the file is checked for size, as everything from a disk is. */
#include <assert.h>
#include <string.h>

#include "coding/rs.h"
#include "node/store/catalogue.h"
#include "node/store/catalogue_sql.h"

/* ---- fragments ---- */

static void bind_key(sqlite3_stmt *s, const struct fragment_key *key)
{
    sql_bind_bytes(s, 1, key->object.bytes, ID_SIZE);
    sql_bind_bytes(s, 2, key->vault.bytes, ID_SIZE);
    sql_bind_number(s, 3, key->index);
}

/* A statement about one fragment. */
static int run_named(struct catalogue *c, enum sql_query query, const struct fragment_key *key,
                     struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, query, err);
    if (s == NULL)
        return -1;
    bind_key(s, key);
    return sql_run(c, s, err);
}

int catalogue_add_fragment(struct catalogue *c, const struct fragment_info *info,
                           const struct holders *holders, struct err *err)
{
    assert(info->key.index < info->data + info->parity && info->file_bytes > 0);
    assert(holders->count <= HOLDERS_MAX);
    sqlite3_stmt *s = sql_statement(c, SQL_ADD_FRAGMENT, err);
    if (s == NULL)
        return -1;
    bind_key(s, &info->key);
    sql_bind_bytes(s, 4, info->pack.bytes, ID_SIZE);
    sql_bind_bytes(s, 5, info->bringer.bytes, ID_SIZE);
    sql_bind_number(s, 6, info->data);
    sql_bind_number(s, 7, info->parity);
    sql_bind_number(s, 8, info->pack_bytes);
    sql_bind_number(s, 9, info->file_bytes);
    sql_bind_bytes(s, 10, info->writer.bytes, WRITER_ID_SIZE);
    sql_bind_number(s, 11, info->by_reader);
    sql_bind_bytes(s, 12, info->sponsor.bytes, ID_SIZE);
    sql_bind_bytes(s, 13, holders->node, (size_t)holders->count * ID_SIZE);
    return sql_run(c, s, err) != 0 ? -1 : run_named(c, SQL_REMOVE_LOST, &info->key, err);
}

/* A row may be damaged like any byte on a disk. */
static bool read_info(sqlite3_stmt *s, struct fragment_info *info)
{
    info->key.index = (uint32_t)sql_column_number(s, 2);
    info->data = (uint32_t)sql_column_number(s, 5);
    info->parity = (uint32_t)sql_column_number(s, 6);
    info->pack_bytes = sql_column_number(s, 7);
    info->file_bytes = sql_column_number(s, 8);
    info->by_reader = sql_column_number(s, 10) != 0;
    return info->data >= 1 && info->data <= RS_TOTAL_MAX &&
           info->parity <= RS_TOTAL_MAX - info->data &&
           info->key.index < info->data + info->parity && info->file_bytes <= FILE_BYTES_MAX &&
           sql_column_bytes(s, 0, info->key.object.bytes, ID_SIZE) &&
           sql_column_bytes(s, 1, info->key.vault.bytes, ID_SIZE) &&
           sql_column_bytes(s, 3, info->pack.bytes, ID_SIZE) &&
           sql_column_bytes(s, 4, info->bringer.bytes, ID_SIZE) &&
           sql_column_bytes(s, 9, info->writer.bytes, WRITER_ID_SIZE) &&
           sql_column_bytes(s, 11, info->sponsor.bytes, ID_SIZE);
}

static bool read_holders(sqlite3_stmt *s, struct holders *holders)
{
    size_t size = (size_t)sqlite3_column_bytes(s, 12);
    memset(holders, 0, sizeof(*holders));
    if (size % ID_SIZE != 0 || size > sizeof(holders->node))
        return false;
    holders->count = (uint32_t)(size / ID_SIZE);
    return size == 0 || sql_column_bytes(s, 12, holders->node, size);
}

/* The one row of a bound statement, or none. */
static int read_one(struct catalogue *c, sqlite3_stmt *s, struct fragment_info *info,
                    struct holders *holders, bool *found, struct err *err)
{
    int row = sql_step(c, s, err);
    *found = row == 1;
    if (row == 1 &&
        ((info != NULL && !read_info(s, info)) || (holders != NULL && !read_holders(s, holders))))
        return sql_malformed_row(s, err);
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

int catalogue_find_fragment(struct catalogue *c, const struct fragment_key *key,
                            struct fragment_info *info, struct holders *holders, bool *found,
                            struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_FIND_FRAGMENT, err);
    if (s == NULL)
        return -1;
    bind_key(s, key);
    return read_one(c, s, info, holders, found, err);
}

static void bind_writer(sqlite3_stmt *s, int at, const struct writer_id *writer)
{
    sql_bind_bytes(s, at, writer != NULL ? (const void *)writer->bytes : "",
                   writer != NULL ? WRITER_ID_SIZE : 0);
}

int catalogue_find_granted(struct catalogue *c, const struct vault_id *vault,
                           const struct object_id *object, const struct writer_id *writer,
                           struct fragment_info *info, bool *found, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_FIND_GRANTED, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, object->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, vault->bytes, ID_SIZE);
    bind_writer(s, 3, writer);
    return read_one(c, s, info, NULL, found, err);
}

int catalogue_count_brought(struct catalogue *c, const struct fragment_key *key,
                            const struct node_id *bringer, uint64_t *count, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_COUNT_BROUGHT, err);
    if (s == NULL)
        return -1;
    bind_key(s, key);
    sql_bind_bytes(s, 4, bringer->bytes, ID_SIZE);
    return sql_number(c, s, count, err);
}

int catalogue_set_holders(struct catalogue *c, const struct fragment_key *key,
                          const struct holders *holders, struct err *err)
{
    assert(holders->count <= HOLDERS_MAX);
    sqlite3_stmt *s = sql_statement(c, SQL_SET_HOLDERS, err);
    if (s == NULL)
        return -1;
    bind_key(s, key);
    sql_bind_bytes(s, 4, holders->node, (size_t)holders->count * ID_SIZE);
    return sql_run(c, s, err);
}

int catalogue_remove_fragment(struct catalogue *c, const struct fragment_key *key, struct err *err)
{
    return run_named(c, SQL_REMOVE_FRAGMENT, key, err);
}

int catalogue_lose_fragment(struct catalogue *c, const struct fragment_key *key, struct err *err)
{
    return run_named(c, SQL_ADD_LOST, key, err) != 0 ? -1 : catalogue_remove_fragment(c, key, err);
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

/* What is asked to go on after it, or what comes before every key: a blob without a byte. */
static void bind_after(sqlite3_stmt *s, int at, const void *bytes)
{
    sql_bind_bytes(s, at, bytes != NULL ? bytes : "", bytes != NULL ? ID_SIZE : 0);
}

int catalogue_find_pack(struct catalogue *c, const struct pack_question *question,
                        struct fragment_info *found, size_t max, size_t *count, struct err *err)
{
    const struct fragment_key *after = question->after;
    sqlite3_stmt *s = sql_statement(c, SQL_FIND_PACK, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, question->pack->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, question->vault->bytes, ID_SIZE);
    bind_after(s, 3, after != NULL ? after->object.bytes : NULL);
    sql_bind_number(s, 4, after != NULL ? after->index : 0);
    sql_bind_number(s, 5, max);
    return read_infos(c, s, found, max, count, err);
}

int catalogue_list_fragments(struct catalogue *c, const struct fragment_key *after,
                             struct fragment_info *found, size_t max, size_t *count,
                             struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_LIST_FRAGMENTS, err);
    if (s == NULL)
        return -1;
    bind_after(s, 1, after != NULL ? after->object.bytes : NULL);
    bind_after(s, 2, after != NULL ? after->vault.bytes : NULL);
    sql_bind_number(s, 3, after != NULL ? after->index : 0);
    sql_bind_number(s, 4, max);
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

/* ---- beliefs ---- */

int catalogue_believe(struct catalogue *c, const struct belief *belief, struct err *err)
{
    assert(belief->data >= 1 && belief->data + belief->parity <= RS_TOTAL_MAX);
    sqlite3_stmt *s = sql_statement(c, SQL_BELIEVE, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, belief->object.bytes, ID_SIZE);
    sql_bind_bytes(s, 2, belief->vault.bytes, ID_SIZE);
    sql_bind_bytes(s, 3, belief->writer.bytes, WRITER_ID_SIZE);
    sql_bind_number(s, 4, belief->by_reader);
    sql_bind_bytes(s, 5, belief->pack.bytes, ID_SIZE);
    sql_bind_number(s, 6, belief->data);
    sql_bind_number(s, 7, belief->parity);
    sql_bind_number(s, 8, belief->pack_bytes);
    return sql_run(c, s, err);
}

static bool read_belief(sqlite3_stmt *s, struct belief *belief)
{
    belief->by_reader = sql_column_number(s, 3) != 0;
    belief->data = (uint32_t)sql_column_number(s, 5);
    belief->parity = (uint32_t)sql_column_number(s, 6);
    belief->pack_bytes = sql_column_number(s, 7);
    return belief->data >= 1 && belief->data <= RS_TOTAL_MAX &&
           belief->parity <= RS_TOTAL_MAX - belief->data &&
           sql_column_bytes(s, 0, belief->object.bytes, ID_SIZE) &&
           sql_column_bytes(s, 1, belief->vault.bytes, ID_SIZE) &&
           sql_column_bytes(s, 2, belief->writer.bytes, WRITER_ID_SIZE) &&
           sql_column_bytes(s, 4, belief->pack.bytes, ID_SIZE);
}

int catalogue_believed(struct catalogue *c, const struct vault_id *vault,
                       const struct object_id *object, const struct writer_id *writer,
                       struct belief *belief, bool *found, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_BELIEVED, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, object->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, vault->bytes, ID_SIZE);
    bind_writer(s, 3, writer);
    sql_bind_number(s, 4, writer == NULL);
    int row = sql_step(c, s, err);
    *found = row == 1;
    if (row == 1 && !read_belief(s, belief))
        return sql_malformed_row(s, err);
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

/* ---- all of it ---- */

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
