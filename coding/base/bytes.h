/* bytes.h - little-endian numbers in byte buffers, a bounded reader and a bounded writer, and hex.
 *
 * Every file format is written and read through these, so that no struct is ever laid on disk as it
 * lies in memory, and no reader can run past its end.
 *
 *   Errors   a reader or writer that ran out sets `failed` and returns zeros from then on: check
 *            once, at the end
 *   Memory   borrows the buffer
 *   Threads  any, one at a time for one reader or writer
 */
#ifndef ECBAK_CODING_BASE_BYTES_H
#define ECBAK_CODING_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

struct writer {
    uint8_t *at;
    size_t left;
    size_t used;
    bool failed;
};

void reader_init(struct reader *r, const void *bytes, size_t size);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
/* Copies size bytes; zero-fills `to` when they are not there. */
void read_bytes(struct reader *r, void *to, size_t size);
/* A view of the next size bytes, NULL when they are not there. */
const uint8_t *read_view(struct reader *r, size_t size);
/* Skips size bytes that must all be zero, else fails. */
void read_zero(struct reader *r, size_t size);

void writer_init(struct writer *w, void *bytes, size_t size);
void write_u8(struct writer *w, uint8_t value);
void write_u16(struct writer *w, uint16_t value);
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_bytes(struct writer *w, const void *from, size_t size);
void write_zero(struct writer *w, size_t size);

/* `to` holds 2 * size + 1 characters. Returns `to`. */
char *hex_encode(char *to, const void *bytes, size_t size);
/* 0 when text is exactly 2 * size hexadecimal digits, else -1. */
int hex_decode(void *to, size_t size, const char *text) __attribute__((warn_unused_result));

#endif
