/* The budget is kept by an allocator that counts: protobuf-c gives up cleanly when it says no. Each
 * block carries nothing extra; the budget counts what was asked for and never gives back, which
 * is right for one unpacking. */
#include "node/common/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

static void *budget_alloc(void *data, size_t size)
{
    size_t *left = data;
    if (size > *left)
        return NULL;
    *left -= size;
    return malloc(size == 0 ? 1 : size);
}

static void budget_free(void *data, void *block)
{
    (void)data;
    free(block);
}

void *wire_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                  size_t budget, struct err *err)
{
    size_t left = budget;
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &left};
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, bytes);
    if (message == NULL)
        err_set(err, ERR_FORMAT, "%zu bytes are not a %s", size, type->short_name);
    return message;
}

void wire_free(void *message)
{
    if (message == NULL)
        return;
    ProtobufCAllocator allocator = {budget_alloc, budget_free, NULL};
    protobuf_c_message_free_unpacked(message, &allocator);
}

uint8_t *wire_pack(const void *message, size_t *size)
{
    *size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = alloc_zero(1, *size);
    protobuf_c_message_pack(message, bytes);
    return bytes;
}

bool wire_take(void *to, size_t size, ProtobufCBinaryData field)
{
    if (field.len != size)
        return false;
    memcpy(to, field.data, size);
    return true;
}

ProtobufCBinaryData wire_view(const void *bytes, size_t size)
{
    return (ProtobufCBinaryData){.len = size, .data = (uint8_t *)bytes};
}

void wire_text(char *to, size_t room, const char *text)
{
    size_t used = 0;
    assert(room > 0);
    if (text != NULL) {
        for (; text[used] != '\0' && used + 1 < room; used++) {
            unsigned char c = (unsigned char)text[used];
            to[used] = (c < ' ' || c == 127) ? '?' : text[used];
        }
    }
    to[used] = '\0';
}

int wire_error(struct err *err, uint32_t code, const char *text)
{
    char clean[ERR_TEXT_MAX];
    wire_text(clean, sizeof(clean), text);
    if (code == ERR_NONE || code > ERR_LAST)
        code = ERR_IO;
    return err_set(err, (enum err_code)code, "%s", clean[0] == '\0' ? "no reason given" : clean);
}
