/* Index chunks of whatever bytes; what is accepted is written again to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "cli/vault/index.h"
#include "cli/vault/pack_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int write_again(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                       size_t count, struct err *err)
{
    struct buffer *again = ctx;
    (void)err;
    for (size_t i = 0; i < count; i++)
        if (entries[i].segment >= PACK_SEGMENTS_MAX ||
            (size_t)entries[i].offset + entries[i].size > SEGMENT_PLAIN_MAX)
            abort();
    index_append(again, pack, entries, count);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer again = {0};
    struct err err = ERR_INIT;
    int result = index_read(data, size, write_again, &again, &err);
    if (result == 0 && again.size > 0 &&
        (again.size != size || memcmp(again.bytes, data, size) != 0))
        abort();
    free(again.bytes);
    return 0;
}
