/* What other nodes ask about fragments: a function for each kind of request. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"
#include "node/base/holders.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_peer_internal.h"
#include "node/trust/grant.h"
#include "node/trust/receipt.h"

/* An answer must stay under TRANSPORT_HEADER_MAX whatever is asked. */
#define REPLY_BYTES_MAX (900 * 1024)
#define ROW_BYTES       96 /* of one FragmentAt without holders and grant, at most */

_Static_assert((size_t)ASK_LOCATE_ROWS *(ROW_BYTES + GRANT_BYTES_MAX) < REPLY_BYTES_MAX,
               "a page of rows with a grant each");
_Static_assert((size_t)ASK_PIN_ROWS *ROW_BYTES < REPLY_BYTES_MAX, "a page of pinned rows");
_Static_assert((size_t)ASK_GRANTS_MAX *(GRANT_BYTES_MAX + 4) < REPLY_BYTES_MAX, "all grants");

int answer_put_fragment(const struct responder *responder, const struct question *question,
                        const Ecbak__PeerRequest *request, struct peer_answer *answer,
                        struct err *err)
{
    const Ecbak__PutFragment *put = request->put_fragment;
    const struct payload *payload = question->payload;
    uint64_t used, fragments, records;
    struct grant grant;
    answer->holders = alloc_zero(1, sizeof(*answer->holders));
    if (holders_from_wire(answer->holders, put->n_holders, put->holders, err) != 0 ||
        local_put_fragment(responder->local,
                           &(struct fragment_to_put){payload->bytes, payload->size, put->grant.data,
                                                     put->grant.len, answer->holders,
                                                     question->node},
                           &grant, err) != 0)
        return -1;
    struct fragment *fragment = alloc_zero(1, sizeof(*fragment));
    int result = fragment_parse(fragment, payload->bytes, payload->size, err);
    struct receipt receipt = {.index = fragment->index, .number = grant.number};
    receipt.cluster = responder->local->cluster;
    receipt.object = fragment->object_id;
    receipt.holder = responder->local->keys->node;
    receipt.writer = grant.writer;
    free(fragment);
    size_t receipt_size;
    if (result != 0 || receipt_seal(&receipt, responder->local->keys->sign_secret, &answer->bytes,
                                    &receipt_size, err) != 0)
        return -1;
    ecbak__put_fragment_reply__init(&answer->put);
    answer->put.receipt = wire_view(answer->bytes, receipt_size);
    store_usage(responder->local->store, &used, &fragments, &records);
    answer->put.used_bytes = used;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT;
    answer->reply.put_fragment = &answer->put;
    return 0;
}

/* The key of a fragment that is asked for by name. */
static int take_key(struct fragment_key *key, ProtobufCBinaryData vault, ProtobufCBinaryData object,
                    uint32_t index, struct err *err)
{
    key->index = index;
    if (!wire_take(key->vault.bytes, ID_SIZE, vault) ||
        !wire_take(key->object.bytes, ID_SIZE, object))
        return err_set(err, ERR_FORMAT, "no vault id, or no object id");
    return 0;
}

int answer_get_fragment(const struct responder *responder, const struct question *question,
                        const Ecbak__PeerRequest *request, struct peer_answer *answer,
                        struct err *err)
{
    (void)question;
    const Ecbak__GetFragment *get = request->get_fragment;
    struct fragment_key key;
    uint8_t *bytes;
    size_t size;
    if (take_key(&key, get->vault, get->object, get->index, err) != 0)
        return -1;
    if (store_get_fragment(responder->local->store, &key, &bytes, &size, err) != 0) {
        if (err->code == ERR_DAMAGED)
            count_one(responder->local->counters, COUNTED_CORRUPT);
        return -1;
    }
    answer->payload = (struct payload){bytes, size, serve_free_payload, NULL};
    return 0;
}

static int take_packs(struct pack_id **packs, size_t count, const ProtobufCBinaryData *from,
                      struct err *err)
{
    *packs = NULL;
    if (count == 0 || count > ASK_PACKS_MAX)
        return err_set(err, ERR_FORMAT, "%zu packs; 1 to %d can be asked for", count,
                       ASK_PACKS_MAX);
    *packs = alloc_zero(count, sizeof(struct pack_id));
    for (size_t i = 0; i < count; i++) {
        if (!wire_take((*packs)[i].bytes, ID_SIZE, from[i])) {
            free(*packs);
            *packs = NULL;
            return err_set(err, ERR_FORMAT, "pack %zu is no pack id", i);
        }
    }
    return 0;
}

/* What is asked of the rows of a vault. */
struct rows_wanted {
    const struct vault_id *vault;
    const struct pack_id *packs;
    size_t count;
    const struct fragment_key *after; /* of the first pack; NULL: from its first row */
    size_t rows_max;
};

/* A page: answer->found and which[i], the row's pack. *more: there may be others after it. */
struct rows_page {
    size_t count;
    uint32_t *which;
    bool more;
};

static int find_rows(const struct local *local, const struct rows_wanted *wanted,
                     struct peer_answer *answer, struct rows_page *page, struct err *err)
{
    *page = (struct rows_page){.count = 0};
    answer->found = alloc_zero(wanted->rows_max, sizeof(*answer->found));
    page->which = alloc_zero(wanted->rows_max, sizeof(*page->which));
    for (size_t i = 0; i < wanted->count && page->count < wanted->rows_max; i++) {
        const struct pack_question question = {wanted->vault, &wanted->packs[i],
                                               i == 0 ? wanted->after : NULL};
        size_t here;
        if (store_find_pack(local->store, &question, answer->found + page->count,
                            wanted->rows_max - page->count, &here, err) != 0)
            return -1;
        for (size_t f = 0; f < here; f++)
            page->which[page->count + f] = (uint32_t)i;
        page->count += here;
    }
    page->more = page->count == wanted->rows_max;
    return 0;
}

/* Where the page begins; *after NULL when at the first row. */
static int take_place(const Ecbak__RowPlace *from, struct fragment_key *key,
                      const struct fragment_key **after, struct err *err)
{
    *after = NULL;
    if (from == NULL)
        return 0;
    *key = (struct fragment_key){.index = from->index};
    if (!wire_take(key->object.bytes, ID_SIZE, from->object))
        return err_set(err, ERR_FORMAT, "no row to go on after");
    *after = key;
    return 0;
}

static void fill_at(struct peer_answer *answer, const struct rows_page *page)
{
    answer->at = alloc_zero(page->count, sizeof(*answer->at));
    answer->at_list = alloc_zero(page->count, sizeof(struct Ecbak__FragmentAt *));
    for (size_t i = 0; i < page->count; i++) {
        struct fragment_info *info = &answer->found[i];
        Ecbak__FragmentAt *at = &answer->at[i];
        ecbak__fragment_at__init(at);
        at->object = wire_view(info->key.object.bytes, ID_SIZE);
        at->index = info->key.index;
        at->pack_index = page->which[i];
        answer->at_list[i] = at;
    }
}

/* A grant beside the first row of each object: why it may be here, and what shape it has. */
static size_t add_grants(const struct local *local, struct peer_answer *answer, size_t count)
{
    size_t bytes = 0;
    answer->grants = alloc_zero(count, sizeof(*answer->grants));
    answer->grant_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct fragment_key *key = &answer->found[i].key;
        size_t size;
        if (i > 0 && id_equal(&key->object, &answer->found[i - 1].key.object))
            continue;
        if (store_get_grant(local->store, &key->vault, &key->object, NULL, &answer->grants[i],
                            &size, NULL) != 0)
            continue; /* others may have it */
        answer->at[i].grant = wire_view(answer->grants[i], size);
        bytes += size;
    }
    return bytes;
}

/* Holder lists go along as far as the answer has room. */
static void add_holders(const struct local *local, struct peer_answer *answer, size_t count,
                        size_t bytes)
{
    answer->holders = alloc_zero(count, sizeof(*answer->holders));
    bytes += count * ROW_BYTES;
    for (size_t i = 0; i < count; i++) {
        struct holders *holders = &answer->holders[i];
        Ecbak__FragmentAt *at = &answer->at[i];
        if (store_get_holders(local->store, &answer->found[i].key, holders, NULL) != 0)
            continue;
        bytes += (size_t)holders->count * (ID_SIZE + 2);
        if (bytes > REPLY_BYTES_MAX)
            break;
        at->holders = alloc_zero(holders->count, sizeof(*at->holders));
        at->n_holders = holders->count;
        holders_to_wire(at->holders, holders);
    }
}

int answer_locate(const struct responder *responder, const struct question *question,
                  const Ecbak__PeerRequest *request, struct peer_answer *answer, struct err *err)
{
    (void)question;
    const struct local *local = responder->local;
    const Ecbak__LocatePacks *body = request->locate;
    struct pack_id *packs;
    struct vault_id vault;
    struct fragment_key place;
    struct rows_wanted wanted = {.vault = &vault, .rows_max = ASK_LOCATE_ROWS};
    struct rows_page page;
    if (!wire_take(vault.bytes, ID_SIZE, body->vault))
        return err_set(err, ERR_FORMAT, "no vault id");
    if (take_place(body->after, &place, &wanted.after, err) != 0 ||
        take_packs(&packs, body->n_packs, body->packs, err) != 0)
        return -1;
    wanted.packs = packs;
    wanted.count = body->n_packs;
    int result = find_rows(local, &wanted, answer, &page, err);
    free(packs);
    if (result == 0) {
        ecbak__locate_reply__init(&answer->locate);
        fill_at(answer, &page);
        add_holders(local, answer, page.count, add_grants(local, answer, page.count));
        answer->locate.n_fragments = page.count;
        answer->locate.fragments = answer->at_list;
        answer->locate.more = page.more;
        answer->reply.body_case = ECBAK__PEER_REPLY__BODY_LOCATE;
        answer->reply.locate = &answer->locate;
    }
    free(page.which);
    return result;
}

int answer_pin(const struct responder *responder, const struct question *question,
               const Ecbak__PeerRequest *request, struct peer_answer *answer, struct err *err)
{
    (void)question;
    const Ecbak__PinPacks *body = request->pin;
    const struct local *local = responder->local;
    struct pins pins = {.count = 0};
    struct fragment_key place;
    struct rows_wanted wanted = {.vault = &pins.pin.vault, .rows_max = ASK_PIN_ROWS};
    struct rows_page page = {.count = 0};
    uint32_t *held = NULL;
    int result = -1;
    if (take_place(body->after, &place, &wanted.after, err) != 0 ||
        local_put_pins(local, body->pins.data, body->pins.len, &pins, &held, err) != 0)
        goto done;
    if (body->first >= pins.count) {
        err_set(err, ERR_FORMAT, "rows from pack %u on, of %zu that are pinned", body->first,
                pins.count);
        goto done;
    }
    wanted.packs = pins.packs + body->first;
    wanted.count = pins.count - body->first;
    if (find_rows(local, &wanted, answer, &page, err) != 0)
        goto done;
    /* Rows without their file went when the pin was noted: what is listed now was there then. */
    fill_at(answer, &page);
    ecbak__pin_reply__init(&answer->pin);
    answer->pin.n_fragments = page.count;
    answer->pin.fragments = answer->at_list;
    answer->pin.more = page.more;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_PIN;
    answer->reply.pin = &answer->pin;
    result = 0;
done:
    free(page.which);
    free(held);
    pins_release(&pins);
    return result;
}

int answer_get_grants(const struct responder *responder, const struct question *question,
                      const Ecbak__PeerRequest *request, struct peer_answer *answer,
                      struct err *err)
{
    (void)question;
    const Ecbak__GetGrants *get = request->get_grants;
    struct vault_id vault;
    struct object_id object;
    struct writer_id writer;
    bool has_writer = get->writer.len != 0;
    if (!wire_take(vault.bytes, ID_SIZE, get->vault) || get->n_objects == 0 ||
        get->n_objects > ASK_GRANTS_MAX ||
        (has_writer && !wire_take(writer.bytes, WRITER_ID_SIZE, get->writer)))
        return err_set(err, ERR_FORMAT, "grants are asked for by vault and 1 to %d objects",
                       ASK_GRANTS_MAX);
    answer->grants = alloc_zero(get->n_objects, sizeof(*answer->grants));
    answer->grant_count = get->n_objects;
    answer->views = alloc_zero(get->n_objects, sizeof(*answer->views));
    for (size_t i = 0; i < get->n_objects; i++) {
        size_t size;
        if (!wire_take(object.bytes, ID_SIZE, get->objects[i]))
            return err_set(err, ERR_FORMAT, "object %zu is no object id", i);
        if (store_get_grant(responder->local->store, &vault, &object, has_writer ? &writer : NULL,
                            &answer->grants[i], &size, NULL) == 0)
            answer->views[i] = wire_view(answer->grants[i], size);
    }
    ecbak__get_grants_reply__init(&answer->get_grants);
    answer->get_grants.n_grants = get->n_objects;
    answer->get_grants.grants = answer->views;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_GET_GRANTS;
    answer->reply.get_grants = &answer->get_grants;
    return 0;
}

int answer_set_holders(const struct responder *responder, const struct question *question,
                       const Ecbak__PeerRequest *request, struct peer_answer *answer,
                       struct err *err)
{
    const Ecbak__SetHolders *set = request->set_holders;
    struct fragment_key key;
    answer->holders = alloc_zero(1, sizeof(*answer->holders));
    if (take_key(&key, set->vault, set->object, set->index, err) != 0 ||
        holders_from_wire(answer->holders, set->n_holders, set->holders, err) != 0)
        return -1;
    return store_set_holders(responder->local->store, &key, answer->holders, question->node, err);
}
