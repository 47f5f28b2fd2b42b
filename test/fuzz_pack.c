/* Packs of whatever bytes. The first byte chooses how deep they get: the seals stop all that a
 * fuzzer could make up, so the layers behind them are fed through seals of our own. */
#include <stdlib.h>
#include <string.h>

#include "cli/vault/pack.h"
#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vault_keys *keys;

static void open_pack(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct pack_reader *reader = NULL;
    uint8_t *bytes = alloc_copy(data, size);
    if (pack_open(&reader, &bytes, size, keys, &err) != 0)
        return;
    size_t count;
    const struct pack_entry *entries = pack_entries(reader, &count);
    for (size_t i = 0; i < count && i < 64; i++) {
        uint8_t *plain = NULL;
        size_t plain_size;
        if (pack_read_segment(reader, entries[i].segment, &plain, &plain_size, &err) == 0 &&
            (size_t)entries[i].offset + entries[i].size > plain_size)
            abort();
        free(plain);
    }
    pack_reader_destroy(&reader);
}

/* A pack with one segment and a directory of these bytes, well sealed. */
static void open_sealed(const uint8_t *data, size_t size)
{
    struct pack_seal seal;
    size_t segment = size / 2, directory = size - segment;
    size_t bare = PACK_HEADER_SIZE + size + 2 * PACK_TAG_SIZE + PACK_FOOTER_SIZE;
    size_t whole = padme(bare), at = PACK_HEADER_SIZE;
    directory += whole - bare;
    uint8_t *bytes = alloc_zero(whole, 1), *plain = alloc_zero(directory, 1);
    uint8_t footer[PACK_FOOTER_SIZE - PACK_TAG_SIZE] = {0};
    struct writer w;
    pack_header_make(bytes, &seal, keys);
    pack_part_seal(&seal, 0, bytes + at, data, segment);
    at += segment + PACK_TAG_SIZE;
    memcpy(plain, data + segment, size - segment);
    pack_part_seal(&seal, PACK_NUMBER_DIRECTORY, bytes + at, plain, directory);
    at += directory + PACK_TAG_SIZE;
    writer_init(&w, footer, sizeof(footer));
    write_u32(&w, (uint32_t)(directory + PACK_TAG_SIZE));
    pack_part_seal(&seal, PACK_NUMBER_FOOTER, bytes + at, footer, sizeof(footer));
    open_pack(bytes, whole);
    free(plain);
    free(bytes);
}

static void decode_directory(const uint8_t *data, size_t size)
{
    struct pack_directory directory;
    struct err err = ERR_INIT;
    size_t area = size > 0 ? data[0] * (size_t)data[size - 1] : 0;
    if (pack_directory_decode(&directory, data, size, PACK_HEADER_SIZE, area, &err) != 0)
        return;
    /* What was read must be written the same: there is one form only. */
    size_t bare = pack_directory_size(directory.segment_count, directory.entry_count);
    uint8_t *again = alloc_zero(size, 1);
    pack_directory_encode(&directory, size - bare, again);
    if (memcmp(again, data, size) != 0)
        abort();
    free(again);
    pack_directory_release(&directory);
}

static void expand(const uint8_t *data, size_t size)
{
    struct reader r;
    struct err err = ERR_INIT;
    uint8_t *plain = NULL;
    reader_init(&r, data, size);
    struct pack_segment line = {.plain_size = read_u32(&r) & 0x7fffff, .method = SEGMENT_ZSTD};
    if (!r.failed && segment_expand(&plain, &line, r.at, r.left, &err) == 0)
        free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    uint8_t secret[VAULT_SECRET_SIZE] = {1};
    if (keys == NULL && vault_keys_new(&keys, secret, &err) != 0)
        abort();
    if (size == 0)
        return 0;
    static void (*const ways[])(const uint8_t *, size_t) = {open_pack, open_sealed,
                                                            decode_directory, expand};
    ways[data[0] % 4](data + 1, size - 1);
    return 0;
}
