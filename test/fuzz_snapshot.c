/* Snapshots: whatever bytes as they travel, and whatever content behind a seal of our own. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vault/pack.h"
#include "cli/vault/snapshot.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/trust/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_AT 28
#define TAG      16

static struct vault_keys *keys;

static int open_record(struct record *record)
{
    struct snapshot s;
    struct err err = ERR_INIT;
    if (snapshot_open(&s, keys, record, &err) != 0)
        return -1;
    if (s.path_count > SNAPSHOT_PATHS_MAX || s.tag_count > SNAPSHOT_TAGS_MAX)
        abort();
    snapshot_release(&s);
    return 0;
}

/* The seal as cli/FORMAT.md describes it. */
static void open_sealed(struct record *record, const uint8_t *data, size_t size)
{
    uint8_t bound[16 + 4 + ID_SIZE + WRITER_ID_SIZE + 8] = "ecbak snapshot";
    struct writer w;
    record->sealed_size = padme(PLAIN_AT + size + TAG);
    record->sealed = alloc_zero(record->sealed_size, 1);
    record->sealed[0] = record->sealed[1] = 1;
    memcpy(record->sealed + PLAIN_AT, data, size);
    writer_init(&w, bound + 16, sizeof(bound) - 16);
    write_bytes(&w, record->sealed, 4);
    write_bytes(&w, record->vault.bytes, ID_SIZE);
    write_bytes(&w, record->writer.bytes, WRITER_ID_SIZE);
    write_u64(&w, record->number);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        record->sealed + PLAIN_AT, NULL, record->sealed + PLAIN_AT,
        record->sealed_size - PLAIN_AT - TAG, bound, sizeof(bound), NULL, record->sealed + 4,
        keys->record_key);
    open_record(record);
    free(record->sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    uint8_t secret[VAULT_SECRET_SIZE] = {1};
    if (keys == NULL && vault_keys_new(&keys, secret, &err) != 0)
        abort();
    struct record record = {.number = 3, .kind = RECORD_SNAPSHOT};
    record.vault = keys->vault;
    if (size == 0)
        return 0;
    if (data[0] % 4 != 0) {
        open_sealed(&record, data + 1, size - 1);
        return 0;
    }
    record.sealed = alloc_copy(data + 1, size - 1);
    record.sealed_size = size - 1;
    if (open_record(&record) == 0)
        abort(); /* nobody forges a seal */
    free(record.sealed);
    return 0;
}
