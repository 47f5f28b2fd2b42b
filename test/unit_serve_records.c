/* Records that other nodes bring, list and ask for. */
#include "test/serve_peer_bench.h"

#include "node/trust/record.h"

/* As the lab's node `sponsor` brings it. */
static void record_of(uint64_t number, size_t sponsor, uint8_t **bytes, size_t *size,
                      struct record_id *hash)
{
    struct err err = ERR_INIT;
    const struct credentials node = {lab.nodes[sponsor].keys, &lab.nodes[sponsor].cert,
                                     lab.authority_public};
    uint8_t *alone;
    size_t alone_size;
    lab_record(&lab, number, RECORD_SNAPSHOT, &alone, &alone_size, hash);
    lab_ok(record_countersign(alone, alone_size, &node, bytes, size, &err));
    free(alone);
}

static void records_are_listed_by_their_first_byte(void **state)
{
    (void)state;
    struct record_id hashes[40];
    uint8_t *bytes;
    size_t size, listed = 0;
    for (size_t i = 0; i < 40; i++) {
        Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
        Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
        request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
        request.put_record = &put;
        record_of(i + 1, 0, &bytes, &size, &hashes[i]);
        expect(ERR_NONE, &request, bytes, size);
        expect(ERR_NONE, &request, bytes, size);
        bytes[size - 1] ^= 1;
        struct answer answer = ask(&request, bytes, size);
        assert_int_not_equal(answer.reply->error, ERR_NONE);
        answer_free(&answer);
        free(bytes);
    }
    for (int prefix = 0; prefix < 256; prefix++) {
        uint8_t byte = (uint8_t)prefix;
        Ecbak__ListRecords list = ECBAK__LIST_RECORDS__INIT;
        Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
        list.prefix = wire_view(&byte, 1);
        request.body_case = ECBAK__PEER_REQUEST__BODY_LIST_RECORDS;
        request.list_records = &list;
        struct answer answer = ask(&request, NULL, 0);
        assert_int_equal(answer.reply->error, ERR_NONE);
        for (size_t i = 0; i < answer.reply->list_records->n_hashes; i++) {
            assert_int_equal(answer.reply->list_records->hashes[i].data[0], byte);
            listed++;
        }
        assert_false(answer.reply->list_records->more);
        answer_free(&answer);
    }
    assert_int_equal(listed, 40);
    Ecbak__GetRecord get = ECBAK__GET_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    get.hash = wire_view(hashes[7].bytes, ID_SIZE);
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_RECORD;
    request.get_record = &get;
    struct answer answer = ask(&request, NULL, 0);
    record_of(8, 0, &bytes, &size, &hashes[0]);
    assert_int_equal(answer.payload.size, size);
    assert_memory_equal(answer.payload.bytes, bytes, size);
    free(bytes);
    answer_free(&answer);
}

static void a_record_is_taken_from_its_sponsor_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct record_id hash;
    uint8_t *bytes, *alone;
    size_t size, alone_size;
    Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &put;
    uint64_t before = used();
    lab_record(&lab, 50, RECORD_SNAPSHOT, &alone, &alone_size, &hash);
    expect(ERR_DENIED, &request, alone, alone_size);
    /* Countersigned by one that another authority certified. */
    struct cert stranger = lab.nodes[1].cert;
    uint8_t other_secret[64], other_public[32];
    crypto_sign_keypair(other_public, other_secret);
    lab_ok(cert_sign(&stranger, other_secret, &err));
    stranger.cluster = lab.cluster;
    const struct credentials node = {lab.nodes[1].keys, &stranger, lab.authority_public};
    lab_ok(record_countersign(alone, alone_size, &node, &bytes, &size, &err));
    expect_as(1, ERR_DENIED, &request, bytes, size);
    free(bytes);
    free(alone);
    record_of(50, 0, &bytes, &size, &hash); /* what was countersigned by one, brought by another */
    expect_as(1, ERR_DENIED, &request, bytes, size);
    assert_true(used() == before);
    expect_as(0, ERR_NONE, &request, bytes, size);
    free(bytes);
}

/* A record of a vault that nobody has heard of, as large as they come. */
static void foreign_record(size_t sponsor, uint8_t **bytes, size_t *size)
{
    static uint8_t sealed[RECORD_SEALED_MAX];
    struct err err = ERR_INIT;
    struct lab other = {.count = 0};
    struct record record = {.number = 1, .kind = RECORD_SNAPSHOT, .sealed = sealed};
    struct record_id hash;
    uint8_t *alone;
    size_t alone_size;
    other.cluster = lab.cluster;
    lab_vault(&other, RIGHT_ADD);
    const struct signer signer = lab_signer(&other);
    const struct credentials node = {lab.nodes[sponsor].keys, &lab.nodes[sponsor].cert,
                                     lab.authority_public};
    record.cluster = lab.cluster;
    record.vault = other.vault;
    record.writer = other.writer;
    record.sealed_size = sizeof(sealed);
    lab_ok(record_seal(&record, &signer, &alone, &alone_size, &hash, &err));
    lab_ok(record_countersign(alone, alone_size, &node, bytes, size, &err));
    free(other.writer_cert_bytes);
    free(alone);
}

static void a_flood_of_records_ends_and_the_snapshots_of_others_are_taken(void **state)
{
    (void)state;
    struct record_id hash;
    uint8_t *bytes;
    size_t size, sent = 0;
    Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &put;
    uint64_t before = used();
    uint32_t error = ERR_NONE;
    for (; sent < 200 && error == ERR_NONE; sent++) {
        foreign_record(1, &bytes, &size);
        struct answer answer = ask_as(1, &request, bytes, size);
        error = answer.reply->error;
        answer_free(&answer);
        free(bytes);
    }
    assert_int_equal(error, ERR_FULL);
    assert_true(used() - before <= LOCAL_RECORDS_AT_ONCE);
    record_of(51, 0, &bytes, &size, &hash);
    expect_as(0, ERR_NONE, &request, bytes, size);
    free(bytes);
}

static void what_is_pulled_is_what_was_asked_for_whoever_brought_it_first(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct record_id hash, other = {{1}};
    uint8_t *bytes;
    size_t size;
    record_of(52, 1, &bytes, &size, &hash); /* its sponsor has had all that it may bring itself */
    const struct node_id *from = &lab.nodes[0].keys->node;
    assert_int_equal(local_put_record(&local, bytes, size, from, &other, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    lab_ok(local_put_record(&local, bytes, size, from, &hash, &err));
    free(bytes);
}

static void what_is_wrong_with_our_disk_is_no_business_of_the_askers(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    struct record_id hash;
    char away[sizeof(lab.nodes[0].config.data_dir) + 8];
    Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &put;
    record_of(60, 0, &bytes, &size, &hash);
    snprintf(away, sizeof(away), "%s.away", lab.nodes[0].config.data_dir);
    assert_int_equal(rename(lab.nodes[0].config.data_dir, away), 0);
    struct answer answer = ask(&request, bytes, size);
    assert_int_equal(rename(away, lab.nodes[0].config.data_dir), 0);
    assert_int_not_equal(answer.reply->error, ERR_NONE);
    assert_null(strchr(answer.reply->error_text, '/'));
    assert_non_null(strstr(answer.reply->error_text, "logged"));
    answer_free(&answer);
    free(bytes);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_listed_by_their_first_byte),
        cmocka_unit_test(a_record_is_taken_from_its_sponsor_alone),
        cmocka_unit_test(a_flood_of_records_ends_and_the_snapshots_of_others_are_taken),
        cmocka_unit_test(what_is_pulled_is_what_was_asked_for_whoever_brought_it_first),
        cmocka_unit_test(what_is_wrong_with_our_disk_is_no_business_of_the_askers),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
