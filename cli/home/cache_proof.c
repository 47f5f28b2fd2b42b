/* A disk may alter what it keeps, and SQLite notices only what breaks its pages. A row that reads well and
 * says something else could make a snapshot rely on a pack that does not have the chunk, or a merged
 * index tell every other machine so. Therefore each row carries a digest of what it says, bound to
 * the id of the pack that it is about, which a record or an index names; none is believed without.
 * Against whoever writes to the user's own files on purpose it does nothing.
 *
 * proof(...) hashes its arguments, each with its kind and size, to 64 bits. It is an SQL function, so that
 * the statements that write and those that read say the same thing in one place.
 */
#include <sodium.h>
#include <string.h>

#include "cli/home/cache_internal.h"

static void add_value(crypto_generichash_state *hashing, sqlite3_value *value)
{
    uint8_t head[9] = {(uint8_t)sqlite3_value_type(value)};
    const void *bytes = NULL;
    int64_t number = 0; /* or a size */
    if (head[0] == SQLITE_INTEGER) {
        number = sqlite3_value_int64(value);
    } else if (head[0] != SQLITE_NULL) {
        bytes = sqlite3_value_blob(value);
        number = sqlite3_value_bytes(value);
    }
    memcpy(head + 1, &number, sizeof(number));
    crypto_generichash_update(hashing, head, sizeof(head));
    if (bytes != NULL)
        crypto_generichash_update(hashing, bytes, (size_t)number);
}

static void proof(sqlite3_context *context, int count, sqlite3_value **values)
{
    crypto_generichash_state hashing;
    uint8_t digest[crypto_generichash_BYTES_MIN];
    int64_t number;
    crypto_generichash_init(&hashing, NULL, 0, sizeof(digest));
    for (int i = 0; i < count; i++)
        add_value(&hashing, values[i]);
    crypto_generichash_final(&hashing, digest, sizeof(digest));
    memcpy(&number, digest, sizeof(number));
    sqlite3_result_int64(context, number);
}

int cache_add_proof(struct cache *c)
{
    return sqlite3_create_function(c->db, "proof", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                   proof, NULL, NULL);
}
