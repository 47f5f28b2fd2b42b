/* Whole nodes that are members no more. */
#include "node/trust/revocation.h"
#include "test/service_bench.h"
#include "test/wait_for.h"

static bool sees_itself_revoked(size_t node)
{
    struct err err = ERR_INIT;
    struct member_list list;
    bool found = false;
    lab_ok(client_members(lab_client(&lab, node), &list, &err));
    for (size_t i = 0; i < list.count; i++)
        found |= list.members[i].self && strcmp(list.members[i].state, "revoked") == 0;
    member_list_release(&list);
    return found;
}

static void a_node_that_was_revoked_learns_it_and_stores_nothing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct node_status status;
    struct lab_pack pack = lab_pack(100000);
    const struct cert *cert = &lab.nodes[2].cert;
    struct revocation r = {.at_s = wall_s(), .until_s = cert->not_after_s, .reason = "stolen"};
    uint8_t bytes[REVOCATION_BYTES];
    bool known;
    r.node = cert->node;
    memcpy(r.curve, cert->curve, sizeof(r.curve));
    memcpy(r.name, cert->name, sizeof(r.name));
    lab_ok(revocation_sign(&r, lab.authority_secret, &err));
    lab_ok(revocation_encode(&r, bytes, &err));
    lab_ok(client_revoke(lab_client(&lab, 0), bytes, sizeof(bytes), &known, &err));
    WAIT_FOR(sees_itself_revoked(2));
    lab_ok(client_status(lab_client(&lab, 2), &status, &err));
    assert_non_null(strstr(status.state, "no member"));
    assert_non_null(strstr(status.state, "stolen"));
    struct client_answer answer = lab_put(&lab, 2, &pack, 0, 0);
    assert_int_equal(answer.err.code, ERR_DENIED);
    assert_non_null(strstr(answer.err.text, "stolen"));
    /* It knows it from then on, also when it is alone. */
    lab_end_node(&lab, 2, SIGTERM);
    lab_end_node(&lab, 0, SIGTERM);
    lab_end_node(&lab, 1, SIGTERM);
    lab_start_node(&lab, 2);
    WAIT_FOR(sees_itself_revoked(2));
    free(pack.bytes);
}

static int setup(void **state)
{
    (void)state;
    return lab_up(3);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--node") == 0)
        return lab_node_main(argv[2]);
    if (sodium_init() < 0 || rs_setup(NULL) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_that_was_revoked_learns_it_and_stores_nothing, setup,
                                        lab_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
