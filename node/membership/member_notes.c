#include "node/membership/member_notes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "coding/base/hash.h"
#include "node/common/durable.h"

#define MAGIC       "ecbakmbr"
#define VERSION     2
#define PURPOSE     "ecbak members"
#define HEADER_SIZE 32
#define MEMBER_SIZE 96
#define BYTES_MAX   (HEADER_SIZE + MEMBER_NOTES_MAX * MEMBER_SIZE + HASH_SIZE)

int member_notes_save(const struct member_notes *notes, const char *path, struct err *err)
{
    uint8_t bytes[BYTES_MAX];
    struct writer w;
    assert(notes->count <= MEMBER_NOTES_MAX);
    writer_init(&w, bytes, sizeof(bytes));
    write_bytes(&w, MAGIC, 8);
    write_u16(&w, VERSION);
    write_u16(&w, (uint16_t)notes->count);
    write_zero(&w, 4);
    write_u64(&w, notes->incarnation);
    write_u64(&w, notes->left_serial);
    for (size_t i = 0; i < notes->count; i++) {
        const struct remembered *member = &notes->members[i];
        size_t length = strnlen(member->address, sizeof(member->address) - 1);
        write_bytes(&w, member->curve, 32);
        write_bytes(&w, member->address, length);
        write_zero(&w, sizeof(member->address) - length);
    }
    uint8_t hash[HASH_SIZE];
    hash_bytes(hash, PURPOSE, bytes, w.used);
    write_bytes(&w, hash, sizeof(hash));
    assert(!w.failed && w.used == HEADER_SIZE + notes->count * MEMBER_SIZE + HASH_SIZE);
    const struct durable_piece piece = {bytes, w.used};
    return durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, err);
}

int member_notes_decode(struct member_notes *notes, const uint8_t *bytes, size_t size,
                        struct err *err)
{
    *notes = (struct member_notes){0};
    struct reader r;
    uint8_t magic[8], hash[HASH_SIZE];
    reader_init(&r, bytes, size);
    read_bytes(&r, magic, sizeof(magic));
    if (r.failed || memcmp(magic, MAGIC, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "it is no membership state");
    uint16_t version = read_u16(&r);
    if (version != VERSION)
        return err_set(err, ERR_VERSION, "its version %u is not known", version);
    notes->count = read_u16(&r);
    read_zero(&r, 4);
    notes->incarnation = read_u64(&r);
    notes->left_serial = read_u64(&r);
    if (r.failed || notes->count > MEMBER_NOTES_MAX ||
        size != HEADER_SIZE + notes->count * MEMBER_SIZE + HASH_SIZE)
        return err_set(err, ERR_FORMAT, "its size is wrong");
    hash_bytes(hash, PURPOSE, bytes, size - HASH_SIZE);
    if (memcmp(hash, bytes + size - HASH_SIZE, HASH_SIZE) != 0)
        return err_set(err, ERR_DAMAGED, "its checksum differs");
    for (size_t i = 0; i < notes->count; i++) {
        struct remembered *member = &notes->members[i];
        read_bytes(&r, member->curve, 32);
        read_bytes(&r, member->address, sizeof(member->address));
        if (member->address[sizeof(member->address) - 1] != '\0')
            return err_set(err, ERR_FORMAT, "an address does not end");
    }
    return 0;
}

int member_notes_load(struct member_notes *notes, const char *path, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (durable_read(path, BYTES_MAX, &bytes, &size, err) != 0)
        return -1;
    int result = member_notes_decode(notes, bytes, size, err);
    free(bytes);
    if (result != 0)
        *notes = (struct member_notes){0};
    return result == 0 ? 0 : err_context(err, "%s", path);
}
