/* Only the outermost fields are looked at, by the rules of the encoding: a key (number and type) as
 * a varint, then a value whose length follows from the type. */
#include "node/serve/request.h"

#include <stdbool.h>

enum { TYPE_VARINT = 0, TYPE_FIXED64 = 1, TYPE_BYTES = 2, TYPE_FIXED32 = 5 };

static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

unsigned request_body(const uint8_t *bytes, size_t size)
{
    const uint8_t *at = bytes, *end = bytes + size;
    unsigned body = 0;
    while (at < end) {
        uint64_t key, length;
        if (!varint(&at, end, &key) || key >> 3 > UINT32_MAX >> 3)
            return 0;
        switch (key & 7) {
        case TYPE_VARINT:
            if (!varint(&at, end, &length))
                return 0;
            length = 0;
            break;
        case TYPE_FIXED64:
            length = 8;
            break;
        case TYPE_FIXED32:
            length = 4;
            break;
        case TYPE_BYTES:
            if (!varint(&at, end, &length))
                return 0;
            body = (unsigned)(key >> 3);
            break;
        default:
            return 0;
        }
        if (length > (uint64_t)(end - at))
            return 0;
        at += length;
    }
    return body;
}
