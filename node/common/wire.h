/* wire.h - Protocol Buffers from strangers, and to them.
 *
 * protobuf-c allocates as the bytes tell it to: a small message can unpack into a hundred times its
 * size. wire_unpack gives it a budget, so that no peer, node or command decides how much memory is
 * taken.
 *
 *   Errors   ERR_FORMAT bytes that are no such message, or that would take more than the budget
 *   Memory   what wire_unpack returns is released with wire_free
 *   Threads  any
 */
#ifndef ECBAK_NODE_COMMON_WIRE_H
#define ECBAK_NODE_COMMON_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "coding/base/err.h"

/* A message of this type, or NULL. At most `budget` bytes are allocated for it. */
void *wire_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                  size_t budget, struct err *err) MUST_CHECK;
void wire_free(void *message); /* NULL is fine */

/* The encoded message: malloc'd; its size goes to *size. */
uint8_t *wire_pack(const void *message, size_t *size);

/* Copies a field that must have exactly `size` bytes; false when it has not. */
bool wire_take(void *to, size_t size, ProtobufCBinaryData field) MUST_CHECK;
/* A field that borrows `bytes`. */
ProtobufCBinaryData wire_view(const void *bytes, size_t size);

/* Copies text that a stranger sent, cut to fit and with what is not plain (coding/base/utf8.h) made '?'; NULL
 * is "". */
void wire_text(char *to, size_t room, const char *text);

/* What another machine is told of an error. A text with a path in it is about this machine's files, and
 * stays here: *kept true, and it is for the caller to log. */
const char *wire_error_text(const struct err *err, bool *kept);
/* The error that a reply carries; a code that err.h does not have becomes ERR_IO. Returns -1. */
int wire_error(struct err *err, uint32_t code, const char *text);

#endif
