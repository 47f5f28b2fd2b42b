/* What is noted of fragments in the catalogue alone: who else holds their siblings, and which objects
 * are believed.
 *
 * A belief is what a valid grant said, without its signatures: enough to count an object's rows by, and
 * found in the catalogue for a thousandth of what checking the grant again would take. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/store/store_internal.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

/* ---- holders ---- */

int store_get_holders(struct store *store, const struct fragment_key *key, struct holders *holders,
                      struct err *err)
{
    bool found = false;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_fragment(store->catalogue, key, NULL, holders, &found, err);
    pthread_mutex_unlock(&store->lock);
    if (result == 0 && !found)
        return err_set(err, ERR_NOT_FOUND, "this fragment is not here");
    return result;
}

/* A holder that is in the list may know who else has a row by now. It must not make this node forget
 * whom it knows: who lied would be asked instead of them. */
static int merge_holders(struct holders *known, const struct holders *said,
                         const struct node_id *from, const struct fragment_info *info,
                         struct err *err)
{
    bool listed = false;
    if (said->count != info->data + info->parity)
        return err_set(err, ERR_INVALID, "%u holders of an object of %u+%u", said->count,
                       info->data, info->parity);
    if (from == NULL || id_equal(from, &info->sponsor)) {
        *known = *said;
        return 0;
    }
    for (uint32_t i = 0; i < known->count; i++)
        listed = listed || id_equal(&known->node[i], from);
    if (!listed)
        return err_set(err, ERR_DENIED,
                       "who holds this object is its sponsor's to say, or a holder's");
    if (known->count < said->count)
        known->count = said->count;
    for (uint32_t i = 0; i < said->count; i++)
        if (!holders_has(known, i))
            known->node[i] = said->node[i];
    return 0;
}

int store_set_holders(struct store *store, const struct fragment_key *key,
                      const struct holders *holders, const struct node_id *from, struct err *err)
{
    bool found = false;
    struct fragment_info info;
    if (store_check(store, err) != 0)
        return -1;
    struct holders *known = alloc_zero(1, sizeof(*known));
    pthread_mutex_lock(&store->lock);
    struct catalogue *c = store->catalogue;
    int result = catalogue_find_fragment(c, key, &info, known, &found, err);
    if (result == 0 && !found)
        result = err_set(err, ERR_NOT_FOUND, "this fragment is not here");
    if (result == 0)
        result = merge_holders(known, holders, from, &info, err);
    if (result == 0 && (result = catalogue_begin(c, false, err)) == 0) {
        if (catalogue_set_holders(c, key, known, err) == 0) {
            result = catalogue_commit(c, err);
        } else {
            catalogue_rollback(c);
            result = -1;
        }
    }
    pthread_mutex_unlock(&store->lock);
    free(known);
    return result;
}

/* ---- beliefs ---- */

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
