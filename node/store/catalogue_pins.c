/* Rows of pins: one a writer, attempt and pack. */
#include <string.h>

#include "node/store/catalogue.h"
#include "node/store/catalogue_sql.h"

static sqlite3_stmt *of_pin(struct catalogue *c, enum sql_query query, const struct pack_id *pack,
                            const struct pin *pin, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, query, err);
    if (s == NULL)
        return NULL;
    sql_bind_bytes(s, 1, pack->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, pin->vault.bytes, ID_SIZE);
    sql_bind_bytes(s, 3, pin->writer.bytes, WRITER_ID_SIZE);
    sql_bind_bytes(s, 4, pin->attempt.bytes, ATTEMPT_SIZE);
    return s;
}

static sqlite3_stmt *of_writer(struct catalogue *c, enum sql_query query,
                               const struct vault_id *vault, const struct writer_id *writer,
                               struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, query, err);
    if (s == NULL)
        return NULL;
    sql_bind_bytes(s, 1, vault->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, writer->bytes, WRITER_ID_SIZE);
    return s;
}

int catalogue_pin(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                  enum pin_kept kept, bool *added, struct err *err)
{
    sqlite3_stmt *s = of_pin(c, SQL_PIN, pack, pin, err);
    if (s == NULL)
        return -1;
    sql_bind_number(s, 5, pin->number);
    sqlite3_bind_int(s, 6, kept);
    if (sql_run(c, s, err) != 0)
        return -1;
    *added = sqlite3_changes(c->db) > 0;
    return 0;
}

int catalogue_has_pin(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                      bool *has, struct err *err)
{
    sqlite3_stmt *s = of_pin(c, SQL_HAS_PIN, pack, pin, err);
    return s == NULL ? -1 : sql_any(c, s, has, err);
}

int catalogue_pinned(struct catalogue *c, const struct pack_id *pack, const struct vault_id *vault,
                     const struct writer_id *writer, uint64_t *number, struct err *err)
{
    sqlite3_stmt *s = sql_statement(c, SQL_PINNED, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 1, pack->bytes, ID_SIZE);
    sql_bind_bytes(s, 2, vault->bytes, ID_SIZE);
    sql_bind_bytes(s, 3, writer->bytes, WRITER_ID_SIZE);
    return sql_number(c, s, number, err);
}

int catalogue_later_pins(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                         struct attempt_id *attempts, size_t max, size_t *count, struct err *err)
{
    int row = 0;
    *count = 0;
    sqlite3_stmt *s = of_pin(c, SQL_LATER_PINS, pack, pin, err);
    if (s == NULL)
        return -1;
    sql_bind_number(s, 5, pin->number);
    sql_bind_number(s, 6, max);
    while (*count < max && (row = sql_step(c, s, err)) == 1)
        if (!sql_column_bytes(s, 0, attempts[(*count)++].bytes, ATTEMPT_SIZE))
            return sql_malformed_row(s, err);
    sql_finish(s);
    return row < 0 ? -1 : 0;
}

int catalogue_doubt_pins(struct catalogue *c, const struct vault_id *vault,
                         const struct writer_id *writer, struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_DOUBT_PINS, vault, writer, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_undoubt_pins(struct catalogue *c, const struct vault_id *vault,
                           const struct writer_id *writer, struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_UNDOUBT_PINS, vault, writer, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_confirm_pin(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                          bool *was, struct err *err)
{
    sqlite3_stmt *s = of_pin(c, SQL_CONFIRM_PIN, pack, pin, err);
    if (s == NULL || sql_run(c, s, err) != 0)
        return -1;
    *was = sqlite3_changes(c->db) > 0;
    return 0;
}

int catalogue_forget_doubted(struct catalogue *c, const struct vault_id *vault,
                             const struct writer_id *writer, struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_FORGET_DOUBTED, vault, writer, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_unkeep_pins(struct catalogue *c, const struct vault_id *vault,
                          const struct writer_id *writer, struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_UNKEEP_PINS, vault, writer, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_pin_bytes(struct catalogue *c, const struct vault_id *vault,
                        const struct writer_id *writer, uint64_t *file, uint64_t *of_vault,
                        struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_PIN_FILE_BYTES, vault, writer, err);
    if (s == NULL || sql_number(c, s, file, err) != 0 ||
        (s = sql_statement(c, SQL_PIN_VAULT_BYTES, err)) == NULL)
        return -1;
    sql_bind_bytes(s, 1, vault->bytes, ID_SIZE);
    return sql_number(c, s, of_vault, err);
}

int catalogue_add_pin_bytes(struct catalogue *c, const struct vault_id *vault,
                            const struct writer_id *writer, const struct node_id *sponsor,
                            uint64_t bytes, struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_ADD_PIN_BYTES, vault, writer, err);
    if (s == NULL)
        return -1;
    sql_bind_bytes(s, 3, sponsor->bytes, ID_SIZE);
    sql_bind_number(s, 4, bytes);
    return sql_run(c, s, err) != 0 ? -1 : sql_charge(c, sponsor, (int64_t)bytes, err);
}

int catalogue_remove_pin_bytes(struct catalogue *c, const struct vault_id *vault,
                               const struct writer_id *writer, struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_UNCHARGE_PINS, vault, writer, err);
    if (s == NULL || sql_run(c, s, err) != 0)
        return -1;
    s = of_writer(c, SQL_REMOVE_PIN_BYTES, vault, writer, err);
    return s == NULL ? -1 : sql_run(c, s, err);
}

int catalogue_next_pin_file(struct catalogue *c, struct vault_id *vault, struct writer_id *writer,
                            bool *found, struct err *err)
{
    sqlite3_stmt *s = of_writer(c, SQL_NEXT_PIN_FILE, vault, writer, err);
    if (s == NULL)
        return -1;
    int row = sql_step(c, s, err);
    *found = row == 1;
    if (row == 1 && (!sql_column_bytes(s, 0, vault->bytes, ID_SIZE) ||
                     !sql_column_bytes(s, 1, writer->bytes, WRITER_ID_SIZE)))
        return sql_malformed_row(s, err);
    sql_finish(s);
    return row < 0 ? -1 : 0;
}
