/* Lies in gossip: where its bulk socket is. */
#include <stdlib.h>

#include "node/membership/meta.h"
#include "test/liar/liar.h"

int __real_meta_encode(const struct node_meta *meta, uint8_t bytes[META_BYTES_MAX], size_t *size,
                       struct err *err);
int __wrap_meta_encode(const struct node_meta *meta, uint8_t bytes[META_BYTES_MAX], size_t *size,
                       struct err *err);

int __wrap_meta_encode(const struct node_meta *meta, uint8_t bytes[META_BYTES_MAX], size_t *size,
                       struct err *err)
{
    const char *bulk = getenv("ECBAK_LIAR_BULK");
    struct node_meta lie = *meta;
    if (bulk != NULL && liar_does("hijack"))
        (void)!endpoint_parse(&lie.bulk, bulk, NULL);
    return __real_meta_encode(&lie, bytes, size, err);
}
