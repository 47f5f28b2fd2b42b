#include "cli/base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

uint8_t *buffer_grow(struct buffer *buffer, size_t more)
{
    assert(buffer->size <= buffer->room);
    if (buffer->room - buffer->size < more) {
        buffer->room = 2 * buffer->room + more + 64;
        buffer->bytes = alloc_grow(buffer->bytes, buffer->room, 1);
    }
    uint8_t *at = buffer->bytes + buffer->size;
    buffer->size += more;
    return at;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(buffer_grow(buffer, size), bytes, size);
}

void buffer_append_u32(struct buffer *buffer, uint32_t value)
{
    struct writer writer;
    writer_init(&writer, buffer_grow(buffer, 4), 4);
    write_u32(&writer, value);
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
