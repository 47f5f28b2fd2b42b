#include "node/pins/pin_rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "coding/base/alloc.h"

void pin_rewrite_keep(struct pin_rewrite *rewrite, const uint8_t *entry, size_t size,
                      const struct node_id *sponsor)
{
    size_t count = rewrite->count + 1;
    rewrite->pieces = alloc_grow(rewrite->pieces, count, sizeof(*rewrite->pieces));
    rewrite->sponsors = alloc_grow(rewrite->sponsors, count, sizeof(*rewrite->sponsors));
    rewrite->pieces[rewrite->count] = (struct durable_piece){entry, size};
    rewrite->sponsors[rewrite->count++] = *sponsor;
    rewrite->bytes += size;
}

void pin_rewrite_init(struct pin_rewrite *rewrite)
{
    static const struct node_id nobody;
    *rewrite = (struct pin_rewrite){.count = 0};
    pin_rewrite_keep(rewrite, NULL, PIN_FILE_HEAD, &nobody);
}

void pin_rewrite_release(struct pin_rewrite *rewrite)
{
    free(rewrite->pieces);
    free(rewrite->sponsors);
    *rewrite = (struct pin_rewrite){.count = 0};
}

size_t pin_rewrite_bytes(const struct pin_rewrite *rewrite)
{
    return rewrite->count > 1 ? rewrite->bytes : 0;
}

int pin_rewrite_write(const struct pin_rewrite *rewrite, const char *path, const struct pin *of,
                      struct err *err)
{
    uint8_t head[PIN_FILE_HEAD];
    if (rewrite->count <= 1)
        return unlink(path) == 0 || errno == ENOENT ? 0 : err_errno(err, "removing %s", path);
    pin_file_head(head, &of->vault, &of->writer, rewrite->bytes);
    rewrite->pieces[0].bytes = head;
    int result = durable_write(path, rewrite->pieces, rewrite->count, 0600, DURABLE_REPLACE, err);
    rewrite->pieces[0].bytes = NULL;
    return result;
}
