/* Files of pins as a disk may give them back: entries are whole and follow each other, or are none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/pins/pin_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a file as the store does; the number of whole entries. */
static size_t read_file(const uint8_t *bytes, size_t size)
{
    static const struct vault_id vault;
    static const struct writer_id writer;
    struct err err;
    uint64_t base;
    size_t whole = 0, next;
    if (pin_file_check_head(bytes, size, &vault, &writer, &base, &err) == 0 && size < PIN_FILE_HEAD)
        abort();
    for (size_t at = PIN_FILE_HEAD; at < size; at = next) {
        struct pin_entry entry;
        if (pin_entry_read(&entry, bytes, size, at)) {
            if (entry.at != at || entry.size > size - at ||
                entry.statement_size + PIN_ENTRY_EXTRA != entry.size)
                abort();
            next = at + entry.size;
            whole++;
        } else {
            next = pin_entry_skip(bytes, size, at);
            if (next == 0)
                break;
        }
        if (next <= at)
            abort(); /* would go round in circles */
    }
    return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vault_id vault;
    static const struct writer_id writer;
    if (sodium_init() < 0)
        abort();
    read_file(data, size);
    if (size == 0 || size > PIN_BYTES_MAX)
        return 0;
    /* The input as a statement, twice, and between them an entry of which a byte is another. */
    size_t entry = size + PIN_ENTRY_EXTRA, all = PIN_FILE_HEAD + 3 * entry;
    uint8_t *bytes = malloc(all);
    if (bytes == NULL)
        abort();
    pin_file_head(bytes, &vault, &writer, 0);
    for (size_t i = 0; i < 3; i++)
        pin_entry_write(bytes + PIN_FILE_HEAD + i * entry, data, size);
    if (read_file(bytes, all) != 3)
        abort();
    bytes[PIN_FILE_HEAD + entry + PIN_ENTRY_HEAD + data[0] % size] ^= 1;
    if (read_file(bytes, all) != 2)
        abort();
    free(bytes);
    return 0;
}
