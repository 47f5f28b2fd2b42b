/* Directories of whatever bytes, cut into chunks at whatever places; what is accepted is encoded
 * again to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "cli/vault/tree.h"
#include "coding/base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const struct tree_entry *entry, const uint8_t *at, size_t left)
{
    struct buffer again = {0};
    struct err err = ERR_INIT;
    if (entry->name_size == 0 || memchr(entry->name, '/', entry->name_size) != NULL)
        abort();
    if (tree_entry_encode(entry, &again, &err) != 0)
        abort();
    if (again.size > left || memcmp(again.bytes, at, again.size) != 0)
        abort();
    buffer_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tree_reader reader;
    struct err err = ERR_INIT;
    if (size == 0)
        return 0;
    size_t step = data[0] == 0 ? size : data[0];
    data++;
    size--;
    tree_reader_init(&reader);
    const uint8_t *next = data;
    int result = 0;
    for (size_t at = 0; at < size && result == 0; at += step) {
        size_t length = step < size - at ? step : size - at;
        uint8_t *chunk = alloc_copy(data + at, length); /* so that a stale view is seen */
        bool end = false;
        result = tree_reader_give(&reader, chunk, length, &err);
        while (result == 0 && !end) {
            struct tree_entry entry;
            size_t left = reader.bytes.left;
            result = tree_entry_decode(&entry, &reader, &end, &err);
            if (result == 0 && !end) {
                size_t used = left - reader.bytes.left;
                check_entry(&entry, next, used);
                next += used;
                tree_entry_release(&entry);
            }
        }
        free(chunk);
    }
    if (result == 0 && tree_reader_finish(&reader, &err) == 0 && next != data + size)
        abort(); /* it ended well, so all of it was entries */
    tree_reader_release(&reader);
    return 0;
}
