/* The reader trusts the seals for who wrote a pack, and nothing for what it says: sizes and counts
 * are checked even inside them, since a vault may have writers with bugs. */
#include <stdlib.h>

#include <sodium.h>

#include "cli/vault/pack.h"
#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

struct pack_reader {
    struct pack_seal *seal; /* sodium_malloc */
    uint8_t *bytes;
    struct pack_directory directory;
};

static int open_directory(struct pack_reader *reader, size_t size, size_t header_size,
                          struct err *err)
{
    uint8_t footer[PACK_FOOTER_SIZE - PACK_TAG_SIZE];
    size_t footer_at = size - PACK_FOOTER_SIZE;
    if (pack_part_open(reader->seal, PACK_NUMBER_FOOTER, footer, reader->bytes + footer_at,
                       PACK_FOOTER_SIZE, err) != 0)
        return -1;
    struct reader r;
    reader_init(&r, footer, sizeof(footer));
    size_t sealed = read_u32(&r);
    read_zero(&r, r.left);
    if (r.failed || sealed < PACK_TAG_SIZE || sealed > footer_at - header_size)
        return err_set(err, ERR_FORMAT, "a pack's footer is malformed");

    uint8_t *plain = alloc_large(sealed, err);
    if (plain == NULL)
        return -1;
    size_t at = footer_at - sealed;
    int result =
        pack_part_open(reader->seal, PACK_NUMBER_DIRECTORY, plain, reader->bytes + at, sealed, err);
    if (result == 0)
        result = pack_directory_decode(&reader->directory, plain, sealed - PACK_TAG_SIZE,
                                       header_size, at - header_size, err);
    free(plain);
    return result;
}

int pack_open(struct pack_reader **reader, uint8_t **bytes, size_t size,
              const struct vault_keys *keys, struct err *err)
{
    struct pack_reader *r = alloc_zero(1, sizeof(*r));
    size_t header_size;
    *reader = NULL;
    r->bytes = *bytes;
    *bytes = NULL;
    r->seal = sodium_malloc(sizeof(*r->seal));
    if (r->seal == NULL) {
        err_set(err, ERR_MEMORY, "no protected memory for a pack's key");
        goto failed;
    }
    if (size > PACK_BYTES_MAX || padme(size) != size) {
        err_set(err, ERR_FORMAT, "%zu bytes are not the size of a pack", size);
        goto failed;
    }
    if (pack_header_open(r->bytes, size, keys, r->seal, &header_size, err) != 0)
        goto failed;
    if (size - header_size < PACK_FOOTER_SIZE) {
        err_set(err, ERR_FORMAT, "a pack that is cut short");
        goto failed;
    }
    if (open_directory(r, size, header_size, err) != 0)
        goto failed;
    *reader = r;
    return 0;
failed:
    pack_reader_destroy(&r);
    return -1;
}

void pack_reader_destroy(struct pack_reader **reader)
{
    struct pack_reader *r = *reader;
    if (r == NULL)
        return;
    sodium_free(r->seal);
    free(r->bytes);
    pack_directory_release(&r->directory);
    free(r);
    *reader = NULL;
}

enum pack_kind pack_reader_kind(const struct pack_reader *reader)
{
    return reader->directory.kind;
}

const struct pack_entry *pack_entries(const struct pack_reader *reader, size_t *count)
{
    *count = reader->directory.entry_count;
    return reader->directory.entries;
}

int pack_read_segment(const struct pack_reader *reader, uint32_t segment, uint8_t **plain,
                      size_t *size, struct err *err)
{
    *plain = NULL;
    if (segment >= reader->directory.segment_count)
        return err_set(err, ERR_INVALID, "segment %u of a pack with %zu", segment,
                       reader->directory.segment_count);
    const struct pack_segment *line = &reader->directory.segments[segment];
    size_t packed_size = line->sealed_size - PACK_TAG_SIZE;
    uint8_t *packed = alloc_large(packed_size, err);
    if (packed == NULL)
        return -1;
    int result = pack_part_open(reader->seal, segment, packed, reader->bytes + line->offset,
                                line->sealed_size, err);
    if (result == 0 && line->method == SEGMENT_RAW) {
        *plain = packed;
        packed = NULL;
    } else if (result == 0) {
        result = segment_expand(plain, line, packed, packed_size, err);
    }
    free(packed);
    *size = line->plain_size;
    return result;
}
