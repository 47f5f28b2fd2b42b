/* The offset table is in the header: it is the interface. */
#include "node/store/trailer.h"

#include <assert.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/trust/grant.h"

#define TRAILER_MAGIC   "ecbktrlr"
#define TRAILER_VERSION 2
#define TRAILER_PURPOSE "ecbak trailer 2"

size_t trailer_encode(uint8_t bytes[TRAILER_SIZE_MAX], const struct trailer *trailer)
{
    uint8_t digest[HASH_SIZE];
    struct writer w;
    assert(trailer->grant_size <= GRANT_BYTES_MAX && trailer->holders.count <= HOLDERS_MAX);
    writer_init(&w, bytes, TRAILER_SIZE_MAX);
    write_bytes(&w, TRAILER_MAGIC, 8);
    write_u16(&w, TRAILER_VERSION);
    write_u16(&w, (uint16_t)trailer->holders.count);
    write_u32(&w, (uint32_t)trailer->grant_size);
    write_u64(&w, trailer->fragment_size);
    write_bytes(&w, trailer->bringer.bytes, ID_SIZE);
    write_zero(&w, 8);
    assert(w.used == TRAILER_HEAD_SIZE);
    write_bytes(&w, trailer->grant, trailer->grant_size);
    write_bytes(&w, trailer->holders.node, (size_t)trailer->holders.count * ID_SIZE);
    hash_bytes(digest, TRAILER_PURPOSE, bytes, w.used);
    write_bytes(&w, digest, sizeof(digest));
    assert(!w.failed);
    return w.used;
}

int trailer_decode(struct trailer *trailer, const uint8_t *bytes, size_t size, struct err *err)
{
    uint8_t digest[HASH_SIZE];
    struct reader r;
    memset(trailer, 0, sizeof(*trailer));
    reader_init(&r, bytes, size);
    const uint8_t *magic = read_view(&r, 8);
    unsigned version = read_u16(&r);
    if (r.failed || memcmp(magic, TRAILER_MAGIC, 8) != 0)
        return err_set(err, ERR_FORMAT, "no trailer follows the fragment");
    if (version != TRAILER_VERSION)
        return err_set(err, ERR_VERSION, "trailer of version %u: this program knows %d", version,
                       TRAILER_VERSION);
    trailer->holders.count = read_u16(&r);
    trailer->grant_size = read_u32(&r);
    trailer->fragment_size = read_u64(&r);
    read_bytes(&r, trailer->bringer.bytes, ID_SIZE);
    read_zero(&r, 8);
    if (r.failed || trailer->holders.count > HOLDERS_MAX || trailer->grant_size > GRANT_BYTES_MAX)
        return err_set(err, ERR_FORMAT, "the trailer is malformed");
    trailer->grant = read_view(&r, trailer->grant_size);
    read_bytes(&r, trailer->holders.node, (size_t)trailer->holders.count * ID_SIZE);
    const uint8_t *expected = read_view(&r, HASH_SIZE);
    if (r.failed || r.left != 0)
        return err_set(err, ERR_FORMAT, "the trailer has %zu bytes, other than it says", size);
    hash_bytes(digest, TRAILER_PURPOSE, bytes, size - HASH_SIZE);
    if (memcmp(digest, expected, HASH_SIZE) != 0)
        return err_set(err, ERR_DAMAGED, "the trailer is damaged: its digest differs");
    return 0;
}
