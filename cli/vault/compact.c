#include "cli/vault/compact.h"

#include <string.h>

void compact_u8(struct buffer *b, uint8_t value)
{
    buffer_append(b, &value, 1);
}

void compact_number(struct buffer *b, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    buffer_append(b, bytes, size);
}

void compact_signed(struct buffer *b, int64_t value)
{
    uint64_t bits = (uint64_t)value;
    compact_number(b, value < 0 ? ~(bits << 1) : bits << 1);
}

void compact_text(struct buffer *b, const void *from, size_t size)
{
    compact_number(b, size);
    buffer_append(b, from, size);
}

uint64_t read_compact(struct reader *r, uint64_t max)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(r);
        uint64_t bits = byte & 0x7f;
        if (bits << shift >> shift != bits || (byte == 0 && shift > 0))
            break; /* beyond 64 bits, or not the shortest form */
        value |= bits << shift;
        if ((byte & 0x80) != 0)
            continue;
        if (value > max)
            break;
        return r->failed ? 0 : value;
    }
    r->failed = true;
    return 0;
}

int64_t read_compact_signed(struct reader *r)
{
    uint64_t folded = read_compact(r, UINT64_MAX);
    uint64_t half = folded >> 1;
    return (int64_t)((folded & 1) != 0 ? ~half : half);
}

const char *read_compact_text(struct reader *r, size_t min, size_t max, size_t *size)
{
    *size = (size_t)read_compact(r, max);
    const char *text = (const char *)read_view(r, *size);
    if (text == NULL || *size < min || (*size > 0 && memchr(text, '\0', *size) != NULL)) {
        r->failed = true;
        *size = 0;
        return NULL;
    }
    return text;
}
