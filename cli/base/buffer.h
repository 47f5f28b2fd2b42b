/* buffer.h - bytes that grow at their end.
 *
 *   Memory   zero-initialise; buffer_release. Growing may move the bytes
 *   Threads  one at a time for one buffer
 */
#ifndef ECBAK_CLI_BASE_BUFFER_H
#define ECBAK_CLI_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *bytes;
    size_t size, room;
};

/* Makes room for `more` bytes at the end and returns where they go; size is raised by `more`. */
uint8_t *buffer_grow(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_append_u32(struct buffer *buffer, uint32_t value);
void buffer_release(struct buffer *buffer);

#endif
