/* Who may be a member: certificates, dates, revocations, and an address that others can reach. */
#include "test/membership_bench.h"

static struct membership_counters counters(struct node *node)
{
    struct membership_counters c;
    membership_counters(node->membership, &c);
    return c;
}

static void strangers_are_refused_and_counted(void **state)
{
    (void)state;
    struct node *a = node_started(NULL);
    struct node *foreign = node_made(a), *expired = node_made(a), *forged = node_made(a);
    uint8_t other_public[32], other_secret[64];
    crypto_sign_keypair(other_public, other_secret);
    certify(&foreign->cert, foreign->keys, foreign->config.name, wall_s() - 60, wall_s() + 3600,
            other_secret);
    certify(&expired->cert, expired->keys, expired->config.name, wall_s() - 7200, wall_s() - 3600,
            authority_secret);
    forged->cert.signature[0] ^= 1;
    node_up(foreign);
    node_up(expired);
    node_up(forged);
    WAIT_FOR(counters(a).foreign > 0 && counters(a).expired > 0 && counters(a).bad_certificate > 0);
    struct member_table *table = membership_table(a->membership);
    assert_int_equal(table->count, 1);
    member_table_release(&table);
    node_free(foreign);
    node_free(expired);
    node_free(forged);
    node_free(a);
}

/* What admit says to a claim of `id` under `name` with this certificate. */
static bool is_admitted(struct trust *trust, const struct node_id *id, const char *name,
                        const struct cert *cert)
{
    struct err err = ERR_INIT;
    struct node_meta meta = {.bulk = at_port(1), .version = "1"};
    struct swim_ops ops;
    uint8_t bytes[META_BYTES_MAX];
    size_t size;
    assert_int_equal(cert_encode(cert, meta.certificate, &meta.certificate_size, &err), 0);
    assert_int_equal(meta_encode(&meta, bytes, &size, &err), 0);
    trust_fill_ops(trust, &ops);
    return ops.admit(ops.context, id, name, "127.0.0.1:1", bytes, size);
}

static void a_claim_needs_a_certificate_of_its_own_id_and_name(void **state)
{
    (void)state;
    struct node *a = node_made(NULL), *b = node_made(NULL);
    struct trust trust = {0};
    trust_init(&trust, a->keys, authority_public, NULL);
    assert_true(is_admitted(&trust, &a->keys->node, a->cert.name, &a->cert));
    assert_true(is_admitted(&trust, &a->keys->node, a->cert.name, &a->cert)); /* from the cache */
    assert_false(is_admitted(&trust, &b->keys->node, a->cert.name, &a->cert));
    assert_false(is_admitted(&trust, &a->keys->node, b->cert.name, &a->cert));
    assert_int_equal(trust.refused_count, 2);
    certify(&b->cert, b->keys, b->config.name, wall_s() - 7200, wall_s() - 3600, authority_secret);
    assert_false(is_admitted(&trust, &b->keys->node, b->cert.name, &b->cert));
    assert_int_equal(trust.expired_count, 1);
    uint8_t other_public[32], other_secret[64];
    crypto_sign_keypair(other_public, other_secret);
    certify(&b->cert, b->keys, b->config.name, wall_s() - 60, wall_s() + 3600, other_secret);
    assert_false(is_admitted(&trust, &b->keys->node, b->cert.name, &b->cert));
    assert_int_equal(trust.foreign_count, 1);
    trust_release(&trust);
    node_free(a);
    node_free(b);
}

static struct revocations *revocations_made(struct node *of)
{
    struct revocations *set;
    struct err err = ERR_INIT;
    char path[CONFIG_PATH_MAX + 32];
    size_t dropped;
    snprintf(path, sizeof(path), "%s/revocations", of->config.data_dir);
    assert_int_equal(revocations_open(&set, path, authority_public, wall_s(), &dropped, &err), 0);
    return set;
}

/* As a command or another member would bring it. */
static void expel(struct node *at, struct node *whom)
{
    shut_out(at->revocations, &whom->cert, 0);
    membership_revocations_changed(at->membership);
}

/* Does `by` know which revocations `of` has, there being one? */
static bool knows_what_is_revoked(struct node *by, struct node *of)
{
    struct revocation_digest digest = revocations_digest(of->revocations);
    struct member_table *table;
    const struct member *member = seen(by, of, &table);
    bool known = member != NULL && member->revocations.digest == digest.digest &&
                 member->revocations.count == 1;
    member_table_release(&table);
    return known;
}

static bool is_revoked(const struct member *member)
{
    return member != NULL && member->state == MEMBER_REVOKED;
}

static void a_revoked_node_is_out_at_once_and_where_it_was_stays_known(void **state)
{
    (void)state;
    struct node *a = node_made(NULL), *b = node_made(a), *c = node_made(a);
    struct member_table *table;
    a->revocations = revocations_made(a);
    b->revocations = revocations_made(b);
    node_up(a);
    node_up(b);
    node_up(c);
    until(a, c, is_alive);
    until(b, c, is_alive);
    expel(a, c);
    until(a, c, is_revoked);
    /* b sees that a knows of other revocations than it does; the bulk side would ask it now. */
    WAIT_FOR(knows_what_is_revoked(b, a));
    expel(b, c);
    until(b, c, is_revoked);
    /* It comes back: nobody lets it in, and it is told why. */
    membership_destroy(&c->membership);
    node_up(c);
    WAIT_FOR(counters(a).revoked > 0);
    until(b, c, is_revoked);
    /* Also after a restart of the others, who know it from the revocation alone then. */
    struct err err = ERR_INIT;
    assert_int_equal(revocations_save(a->revocations, &err), 0);
    membership_destroy(&a->membership);
    revocations_close(&a->revocations);
    a->revocations = revocations_made(a);
    node_up(a);
    until(a, c, is_revoked);
    const struct member *member = seen(a, c, &table);
    char bulk[32];
    snprintf(bulk, sizeof(bulk), "tcp://127.0.0.1:%u", c->config.bulk_port);
    assert_string_equal(member->bulk.text, bulk);
    assert_memory_equal(member->cert.curve, c->cert.curve, 32);
    member_table_release(&table);
    node_free(c);
    node_free(b);
    node_free(a);
}

static void an_address_that_nobody_can_reach_is_refused(void **state)
{
    (void)state;
    struct node *a = node_made(NULL);
    struct membership_offer offer = {0};
    struct err err = ERR_INIT;
    snprintf(a->config.advertise_address, sizeof(a->config.advertise_address), "0.0.0.0");
    assert_int_equal(membership_new(&a->membership, &a->config,
                                    &(struct credentials){a->keys, &a->cert, authority_public},
                                    NULL, &offer, &err),
                     -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "advertise_address"));
    node_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_are_refused_and_counted),
        cmocka_unit_test(a_claim_needs_a_certificate_of_its_own_id_and_name),
        cmocka_unit_test(a_revoked_node_is_out_at_once_and_where_it_was_stays_known),
        cmocka_unit_test(an_address_that_nobody_can_reach_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
