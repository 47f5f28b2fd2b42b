/* Formats are read field by field through a reader that remembers its first failure: the decoders
 * stay a flat list of fields with one check at the end, which is the shape that leaves no check
 * out. */
#include "coding/base/bytes.h"

#include <string.h>

void reader_init(struct reader *r, const void *bytes, size_t size)
{
    *r = (struct reader){.at = bytes, .left = size};
}

const uint8_t *read_view(struct reader *r, size_t size)
{
    if (r->failed || size > r->left) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->at;
    r->at += size;
    r->left -= size;
    return at;
}

static uint64_t read_number(struct reader *r, size_t size)
{
    const uint8_t *at = read_view(r, size);
    uint64_t value = 0;
    if (at == NULL)
        return 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

uint8_t read_u8(struct reader *r)
{
    return (uint8_t)read_number(r, 1);
}

uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_number(r, 2);
}

uint32_t read_u32(struct reader *r)
{
    return (uint32_t)read_number(r, 4);
}

uint64_t read_u64(struct reader *r)
{
    return read_number(r, 8);
}

void read_bytes(struct reader *r, void *to, size_t size)
{
    const uint8_t *at = read_view(r, size);
    if (size == 0)
        return;
    if (at != NULL)
        memcpy(to, at, size);
    else
        memset(to, 0, size);
}

void read_zero(struct reader *r, size_t size)
{
    const uint8_t *at = read_view(r, size);
    for (size_t i = 0; at != NULL && i < size; i++)
        if (at[i] != 0)
            r->failed = true;
}

void writer_init(struct writer *w, void *bytes, size_t size)
{
    *w = (struct writer){.at = bytes, .left = size};
}

void write_bytes(struct writer *w, const void *from, size_t size)
{
    if (w->failed || size > w->left) {
        w->failed = true;
        return;
    }
    if (size > 0)
        memcpy(w->at, from, size);
    w->at += size;
    w->left -= size;
    w->used += size;
}

static void write_number(struct writer *w, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    write_bytes(w, bytes, size);
}

void write_u8(struct writer *w, uint8_t value)
{
    write_number(w, value, 1);
}

void write_u16(struct writer *w, uint16_t value)
{
    write_number(w, value, 2);
}

void write_u32(struct writer *w, uint32_t value)
{
    write_number(w, value, 4);
}

void write_u64(struct writer *w, uint64_t value)
{
    write_number(w, value, 8);
}

void write_zero(struct writer *w, size_t size)
{
    if (w->failed || size > w->left) {
        w->failed = true;
        return;
    }
    memset(w->at, 0, size);
    w->at += size;
    w->left -= size;
    w->used += size;
}

char *hex_encode(char *to, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    for (size_t i = 0; i < size; i++) {
        to[2 * i] = digits[from[i] >> 4];
        to[2 * i + 1] = digits[from[i] & 15];
    }
    to[2 * size] = '\0';
    return to;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(void *to, size_t size, const char *text)
{
    uint8_t *bytes = to;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]);
        if (high < 0)
            return -1;
        int low = hex_digit(text[2 * i + 1]);
        if (low < 0)
            return -1;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * size] == '\0' ? 0 : -1;
}
