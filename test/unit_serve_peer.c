/* Requests of other nodes that are too much, or none at all. */
#include "test/serve_peer_bench.h"

static void too_much_is_refused(void **state)
{
    (void)state;
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    struct pack_id id = {{1}};
    ProtobufCBinaryData *packs = calloc(ASK_PACKS_MAX + 1, sizeof(*packs));
    for (size_t i = 0; i <= ASK_PACKS_MAX; i++)
        packs[i] = wire_view(id.bytes, ID_SIZE);
    locate.packs = packs;
    locate.vault = wire_view(lab.vault.bytes, ID_SIZE);
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    expect(ERR_FORMAT, &request, NULL, 0);
    locate.n_packs = ASK_PACKS_MAX;
    expect(ERR_NONE, &request, NULL, 0);
    locate.n_packs = ASK_PACKS_MAX + 1;
    expect(ERR_FORMAT, &request, NULL, 0);
    packs[3].len = ID_SIZE - 1;
    locate.n_packs = 10;
    expect(ERR_FORMAT, &request, NULL, 0);
    free(packs);

    struct put p;
    put_init(&p, &set.object);
    ProtobufCBinaryData *holders = calloc(HOLDERS_MAX + 1, sizeof(*holders));
    p.put.n_holders = HOLDERS_MAX + 1;
    p.put.holders = holders;
    expect(ERR_FORMAT, &p.request, set.bytes[0], set.size);
    free(holders);
    free(p.grant);
    Ecbak__PeerRequest empty = ECBAK__PEER_REQUEST__INIT;
    expect(ERR_VERSION, &empty, NULL, 0);
}

static void noise_is_counted_and_refused(void **state)
{
    (void)state;
    uint64_t before = atomic_load(&counters.value[COUNTED_MALFORMED]);
    struct payload payload, none = {.size = 0};
    uint8_t *reply, *big = calloc(1, ASK_REQUEST_MAX + 1);
    size_t size;
    serve_peer(&responder,
               &(struct question){.queue = QUEUE_PEER,
                                  .payload = &none,
                                  .header = (const uint8_t *)"\xff\xff\xff",
                                  .header_size = 3},
               &reply, &size, &payload);
    free(reply);
    serve_peer(&responder,
               &(struct question){.queue = QUEUE_PEER,
                                  .payload = &none,
                                  .header = big,
                                  .header_size = ASK_REQUEST_MAX + 1},
               &reply, &size, &payload);
    free(reply);
    /* Two bytes on the wire that would take a hundred in memory, many times. */
    for (size_t i = 0; i + 1 < ASK_REQUEST_MAX; i += 2)
        big[i] = 0x1a; /* an empty LocatePacks, over and over */
    serve_peer(
        &responder,
        &(struct question){
            .queue = QUEUE_PEER, .payload = &none, .header = big, .header_size = ASK_REQUEST_MAX},
        &reply, &size, &payload);
    free(reply);
    free(big);
    assert_true(atomic_load(&counters.value[COUNTED_MALFORMED]) >= before + 2);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(noise_is_counted_and_refused),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
