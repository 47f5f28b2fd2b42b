/* A belief is what a valid grant said, without its signatures: enough to count an object's rows by, and
 * found in the catalogue for a thousandth of what checking the grant again would take. */
#include "node/store/store_internal.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

struct belief belief_of(const struct grant *grant, const struct writer_cert *writer)
{
    return (struct belief){.vault = grant->vault,
                           .object = grant->object,
                           .writer = grant->writer,
                           .by_reader = (writer->rights & RIGHT_READ) != 0,
                           .pack = grant->pack,
                           .data = grant->data,
                           .parity = grant->parity,
                           .pack_bytes = grant->pack_bytes};
}

int store_believe(struct store *store, const struct belief *beliefs, size_t count, struct err *err)
{
    int result = -1;
    if (count == 0)
        return 0;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        result = 0;
        for (size_t i = 0; i < count && result == 0; i++)
            result = catalogue_believe(store->catalogue, &beliefs[i], err);
        if (result == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

int store_believed(struct store *store, const struct vault_id *vault,
                   const struct object_id *object, const struct writer_id *writer,
                   struct belief *belief, bool *found, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    int result = catalogue_believed(store->catalogue, vault, object, writer, belief, found, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}
