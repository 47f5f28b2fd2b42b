/* Lies in answers: an object of one row, made up from the id of the pack, so that the same lie is told
 * by all who tell it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/base/hash.h"
#include "node/common/wire.h"
#include "node/serve/serve_peer_internal.h"
#include "node/store/local.h"
#include "node/trust/grant.h"
#include "node/trust/pin.h"
#include "test/liar/liar.h"

peer_handler __real_answer_pin, __wrap_answer_pin;
peer_handler __real_answer_locate, __wrap_answer_locate;
peer_handler __real_answer_get_fragment, __wrap_answer_get_fragment;

bool liar_does(const char *attack)
{
    const char *words = getenv("ECBAK_LIAR");
    size_t size = strlen(attack);
    for (const char *at = words; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (length == size && memcmp(at, attack, size) == 0)
            return true;
        at += length + (at[length] == ',');
    }
    return false;
}

/* A row of an object of its own for each pack. */
static void invent(struct peer_answer *answer, const struct pack_id *packs, size_t count)
{
    answer->found = alloc_zero(count, sizeof(*answer->found));
    answer->at = alloc_zero(count, sizeof(*answer->at));
    answer->at_list = alloc_zero(count, sizeof(struct Ecbak__FragmentAt *));
    for (size_t i = 0; i < count; i++) {
        Ecbak__FragmentAt *at = &answer->at[i];
        struct object_id *object = &answer->found[i].key.object;
        ecbak__fragment_at__init(at);
        hash_bytes(object->bytes, "ecbak liar", packs[i].bytes, ID_SIZE);
        at->object = wire_view(object->bytes, ID_SIZE);
        at->index = getpid() % 2;
        at->pack_index = (uint32_t)i;
        answer->at_list[i] = at;
    }
}

int __wrap_answer_pin(const struct responder *responder, const struct question *question,
                      const Ecbak__PeerRequest *request, struct peer_answer *answer,
                      struct err *err)
{
    struct pins pins;
    if (!liar_does("pins"))
        return __real_answer_pin(responder, question, request, answer, err);
    if (pins_open(&pins, request->pin->pins.data, request->pin->pins.len,
                  &responder->local->cluster, err) != 0 &&
        pins_open_held(&pins, &(struct node_id){{0}}, request->pin->pins.data,
                       request->pin->pins.len, responder->local->authority_public, err) != 0)
        return -1;
    invent(answer, pins.packs, pins.count);
    ecbak__pin_reply__init(&answer->pin);
    answer->pin.n_fragments = pins.count;
    answer->pin.fragments = answer->at_list;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_PIN;
    answer->reply.pin = &answer->pin;
    pins_release(&pins);
    return 0;
}

int __wrap_answer_locate(const struct responder *responder, const struct question *question,
                         const Ecbak__PeerRequest *request, struct peer_answer *answer,
                         struct err *err)
{
    if (!liar_does("locate"))
        return __real_answer_locate(responder, question, request, answer, err);
    size_t count = request->locate->n_packs;
    struct pack_id *packs = alloc_zero(count, sizeof(*packs));
    for (size_t i = 0; i < count; i++)
        (void)!wire_take(packs[i].bytes, ID_SIZE, request->locate->packs[i]);
    invent(answer, packs, count);
    free(packs);
    ecbak__locate_reply__init(&answer->locate);
    answer->locate.n_fragments = count;
    answer->locate.fragments = answer->at_list;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_LOCATE;
    answer->reply.locate = &answer->locate;
    return 0;
}

int __wrap_answer_get_fragment(const struct responder *responder, const struct question *question,
                               const Ecbak__PeerRequest *request, struct peer_answer *answer,
                               struct err *err)
{
    while (liar_does("locate"))
        pause();
    return __real_answer_get_fragment(responder, question, request, answer, err);
}

int __real_local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                              struct grant *grant, struct err *err);
int __wrap_local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                              struct grant *grant, struct err *err);
int __wrap_local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                              struct grant *grant, struct err *err)
{
    struct grant seen;
    struct writer_cert writer;
    if (grant_open(&seen, &writer, put->grant, put->grant_size, local->authority_public, NULL) == 0)
        liar_loot(&(struct loot){.pack = seen.pack,
                                 .pack_bytes = seen.pack_bytes,
                                 .vault = seen.vault,
                                 .grant = (uint8_t *)put->grant,
                                 .grant_size = put->grant_size});
    return __real_local_put_fragment(local, put, grant, err);
}
