/* Membership between real sockets on loopback, several nodes in one process. The protocol itself is
 * tested by the simulator; here: certificates, what is remembered, what others are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/api/durable.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/membership/membership_core.h"
#include "test/free_port.h"

#define DEADLINE_MS 15000

static uint8_t authority_secret[64], authority_public[32];
static char folder[] = "/tmp/ecbak-membership-XXXXXX";
static int node_number;

struct node {
    struct config config;
    struct node_keys *keys;
    struct cert cert;
    struct revocations *revocations; /* NULL: none */
    struct membership *membership;
};

static void sign(struct node *node, int64_t from_s, int64_t to_s, const uint8_t secret[64])
{
    struct err err = ERR_INIT;
    memcpy(node->cert.node, node->keys->node, CERT_ID_SIZE);
    memcpy(node->cert.curve, node->keys->curve_public, 32);
    node->cert.serial = 1;
    node->cert.not_before_s = from_s;
    node->cert.not_after_s = to_s;
    snprintf(node->cert.name, sizeof(node->cert.name), "%s", node->config.name);
    snprintf(node->cert.zone, sizeof(node->cert.zone), "zone");
    assert_int_equal(cert_sign(&node->cert, secret, &err), 0);
}

static struct node *node_made(struct node *seed)
{
    struct node *node = calloc(1, sizeof(*node));
    struct config *config = &node->config;
    snprintf(config->name, sizeof(config->name), "node-%d", ++node_number);
    snprintf(config->data_dir, sizeof(config->data_dir), "%s/%s", folder, config->name);
    snprintf(config->listen_address, sizeof(config->listen_address), "127.0.0.1");
    snprintf(config->advertise_address, sizeof(config->advertise_address), "127.0.0.1");
    snprintf(config->profile, sizeof(config->profile), "local");
    config->member_port = free_port();
    config->bulk_port = 1;
    config->members_max = 100;
    config->protocol = PROTOCOL_OURS;
    config->connections_max = 64;
    if (seed != NULL) {
        snprintf(config->seeds[0].address, sizeof(config->seeds[0].address), "127.0.0.1:%u",
                 seed->config.member_port);
        memcpy(config->seeds[0].curve_public, seed->keys->curve_public, 32);
        config->seed_count = 1;
    }
    assert_int_equal(mkdir(config->data_dir, 0700), 0);
    node->keys = node_keys_new();
    sign(node, wall_s() - 60, wall_s() + 3600, authority_secret);
    return node;
}

static void node_up(struct node *node)
{
    struct err err = ERR_INIT;
    struct membership_offer offer = {.capacity_bytes = 1000, .used_bytes = 1, .store_epoch = 7};
    if (membership_new(&node->membership, &node->config, node->keys, &node->cert, authority_public,
                       node->revocations, &offer, &err) != 0)
        fail_msg("%s", err.text);
}

static struct node *node_started(struct node *seed)
{
    struct node *node = node_made(seed);
    node_up(node);
    return node;
}

static void node_free(struct node *node)
{
    char path[CONFIG_PATH_MAX + 32];
    membership_destroy(&node->membership);
    node_keys_destroy(&node->keys);
    snprintf(path, sizeof(path), "%s/membership.state", node->config.data_dir);
    unlink(path);
    revocations_close(&node->revocations);
    snprintf(path, sizeof(path), "%s/revocations", node->config.data_dir);
    unlink(path);
    rmdir(node->config.data_dir);
    free(node);
}

/* How `by` sees `of`, or NULL; the table must be released. */
static const struct member *seen(struct node *by, struct node *of, struct member_table **table)
{
    *table = membership_table(by->membership);
    return member_find(*table, of->keys->node);
}

static bool is_alive(const struct member *member)
{
    return member != NULL && member->state == MEMBER_ALIVE && !member->away;
}

static bool is_away(const struct member *member)
{
    return member != NULL && member->state == MEMBER_ALIVE && member->away;
}

static bool is_left(const struct member *member)
{
    return member != NULL && member->state == MEMBER_LEFT;
}

static bool has_used_42(const struct member *member)
{
    return member != NULL && member->used_bytes == 42 && member->store_epoch == 8;
}

/* How long it took until `by` saw `of` so. */
static int64_t until(struct node *by, struct node *of, bool (*so)(const struct member *))
{
    int64_t start_ms = monotonic_ms();
    for (;;) {
        struct member_table *table;
        bool is_so = so(seen(by, of, &table));
        member_table_release(&table);
        if (is_so)
            return monotonic_ms() - start_ms;
        if (monotonic_ms() - start_ms > DEADLINE_MS)
            fail_msg("%s does not see %s so", by->config.name, of->config.name);
        usleep(5000);
    }
}

static void nodes_find_each_other_through_one_seed(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a), *c = node_started(a);
    struct node *all[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            assert_in_range(until(all[i], all[j], is_alive), 0, 3000);
    struct member_table *table;
    const struct member *member = seen(b, c, &table);
    assert_string_equal(member->cert.name, c->config.name);
    assert_memory_equal(member->cert.curve, c->keys->curve_public, 32);
    assert_string_equal(member->bulk_endpoint, "tcp://127.0.0.1:1");
    assert_string_equal(member->version, ECBAK_VERSION);
    assert_int_equal(member->capacity_bytes, 1000);
    assert_false(member->self);
    assert_true(table->members[0].self);
    assert_memory_equal(table->members[0].cert.node, b->keys->node, CERT_ID_SIZE);
    assert_in_range(member->since_s, wall_s() - 60, wall_s() + 1);
    member_table_release(&table);
    node_free(a);
    node_free(b);
    node_free(c);
}

static void the_order_of_starting_does_not_matter(void **state)
{
    (void)state;
    struct node *seed = node_made(NULL), *early = node_started(seed);
    usleep(300000);
    node_up(seed);
    until(early, seed, is_alive);
    until(seed, early, is_alive);
    node_free(seed);
    node_free(early);
}

static void what_a_node_offers_is_told_to_the_others(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, is_alive);
    struct membership_offer offer = {.capacity_bytes = 1000, .used_bytes = 42, .store_epoch = 8};
    membership_update(b->membership, &offer);
    until(a, b, has_used_42);
    until(b, b, has_used_42);
    node_free(a);
    node_free(b);
}

static void a_stopping_node_says_that_it_is_away(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, is_alive);
    until(b, a, is_alive);
    int64_t start_ms = monotonic_ms();
    membership_destroy(&b->membership);
    assert_in_range(monotonic_ms() - start_ms, 0, 2000);
    assert_in_range(until(a, b, is_away), 0, 1000);
    node_free(a);
    node_free(b);
}

static void a_leaving_node_is_gone_for_good(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, is_alive);
    until(b, a, is_alive);
    membership_leave(b->membership);
    assert_in_range(until(a, b, is_left), 0, 1000);
    membership_destroy(&b->membership);
    usleep(300000);
    until(a, b, is_left);
    node_free(a);
    node_free(b);
}

static void a_node_comes_back_without_seeds_and_with_a_newer_incarnation(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(b, a, is_alive);
    until(a, b, is_alive);
    struct member_table *table;
    uint64_t before = seen(a, b, &table)->incarnation;
    member_table_release(&table);
    membership_destroy(&b->membership);
    until(a, b, is_away);
    b->config.seed_count = 0;
    node_up(b);
    until(b, a, is_alive);
    until(a, b, is_alive);
    assert_true(seen(a, b, &table)->incarnation > before);
    member_table_release(&table);
    node_free(a);
    node_free(b);
}

/* The newest event of that kind about `of` that `by` noted, waited for. */
static struct member_event event_of(struct node *by, struct node *of, const char *kind)
{
    static struct member_event events[MEMBER_EVENTS_MAX];
    int64_t start_ms = monotonic_ms();
    while (monotonic_ms() - start_ms < DEADLINE_MS) {
        uint64_t newest;
        size_t count = membership_events(by->membership, 0, MEMBER_EVENTS_MAX, events, &newest);
        while (count-- > 0)
            if (strcmp(events[count].kind, kind) == 0 &&
                memcmp(events[count].id, of->keys->node, CERT_ID_SIZE) == 0)
                return events[count];
        usleep(5000);
    }
    fail_msg("%s noted no event \"%s\" of %s", by->config.name, kind, of->config.name);
    return events[0];
}

static void what_happens_to_members_is_noted_for_people(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", b->config.member_port);
    struct member_event joined = event_of(a, b, "joined");
    assert_string_equal(joined.name, b->config.name);
    assert_string_equal(joined.address, address);
    assert_in_range(joined.time_ms, wall_ms() - 60000, wall_ms());
    struct membership_offer offer = {.capacity_bytes = 1000, .used_bytes = 42, .store_epoch = 8};
    membership_update(b->membership, &offer);
    until(a, b, has_used_42); /* no news for people: nothing between joined and away */
    membership_destroy(&b->membership);
    struct member_event away = event_of(a, b, "away");
    assert_int_equal(away.number, joined.number + 1);
    b->config.bulk_port = 2;
    node_up(b);
    struct member_event updated = event_of(a, b, "updated");
    snprintf(address, sizeof(address), "address 127.0.0.1:%u", b->config.member_port);
    assert_string_equal(updated.detail, address);
    assert_string_equal(event_of(a, b, "alive").name, b->config.name);
    node_free(a);
    node_free(b);
}

static struct member measured(const char *zone, double rtt_ms)
{
    struct member member = {.rtt_ms = rtt_ms};
    snprintf(member.cert.zone, sizeof(member.cert.zone), "%s", zone);
    return member;
}

static void who_was_never_measured_is_as_far_as_the_others_of_its_zone(void **state)
{
    (void)state;
    struct member members[] = {
        measured("here", -1), measured("far", 80),     measured("here", 3),
        measured("far", -1),  measured("here", -1),    measured("far", 70),
        measured("here", 1),  measured("nowhere", -1), measured("far", 900),
    };
    members[0].self = true;
    member_table_estimate(members, sizeof(members) / sizeof(members[0]));
    assert_true(members[3].rtt_estimated && members[3].rtt_ms > 79 && members[3].rtt_ms < 81);
    assert_true(members[4].rtt_estimated && members[4].rtt_ms > 2 && members[4].rtt_ms < 4);
    assert_true(!members[1].rtt_estimated && members[1].rtt_ms > 79);
    assert_true(!members[7].rtt_estimated && members[7].rtt_ms < 0);
    assert_true(!members[0].rtt_estimated && members[0].rtt_ms < 0); /* this node itself */
    member_table_estimate(NULL, 0);
}

static void who_is_away_is_known_and_not_alive_and_who_is_out_is_neither(void **state)
{
    (void)state;
    struct member members[] = {{.state = MEMBER_ALIVE, .self = true},
                               {.state = MEMBER_ALIVE},
                               {.state = MEMBER_ALIVE, .away = true},
                               {.state = MEMBER_SUSPECT},
                               {.state = MEMBER_DEAD},
                               {.state = MEMBER_LEFT},
                               {.state = MEMBER_REVOKED},
                               {.state = MEMBER_REVOKED, .away = true}};
    const struct member_table table = {.members = members,
                                       .count = sizeof(members) / sizeof(members[0])};
    uint32_t known, alive;
    member_table_count(&table, &known, &alive);
    assert_int_equal(known, 5);
    assert_int_equal(alive, 2);
}

static bool has_measured_round_trip(const struct member *member)
{
    return member != NULL && member->rtt_ms >= 0 && !member->rtt_estimated;
}

static void round_trips_are_measured(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, has_measured_round_trip);
    until(b, a, has_measured_round_trip);
    node_free(a);
    node_free(b);
}

static void strangers_are_refused_and_counted(void **state)
{
    (void)state;
    struct node *a = node_started(NULL);
    struct node *foreign = node_made(a), *expired = node_made(a), *forged = node_made(a);
    uint8_t other_public[32], other_secret[64];
    crypto_sign_keypair(other_public, other_secret);
    sign(foreign, wall_s() - 60, wall_s() + 3600, other_secret);
    sign(expired, wall_s() - 7200, wall_s() - 3600, authority_secret);
    forged->cert.signature[0] ^= 1;
    node_up(foreign);
    node_up(expired);
    node_up(forged);
    struct membership_counters c = {0};
    int64_t start_ms = monotonic_ms();
    while ((c.foreign == 0 || c.expired == 0 || c.bad_certificate == 0) &&
           monotonic_ms() - start_ms < DEADLINE_MS) {
        membership_counters(a->membership, &c);
        usleep(5000);
    }
    assert_int_not_equal(c.foreign, 0);
    assert_int_not_equal(c.expired, 0);
    assert_int_not_equal(c.bad_certificate, 0);
    struct member_table *table = membership_table(a->membership);
    assert_int_equal(table->count, 1);
    member_table_release(&table);
    node_free(foreign);
    node_free(expired);
    node_free(forged);
    node_free(a);
}

static struct node *node_speaking(struct protocol protocol, struct node *seed)
{
    struct node *node = node_made(seed);
    node->config.protocol = protocol;
    node_up(node);
    return node;
}

static bool is_incompatible(const struct member *member)
{
    return member != NULL && member->state == MEMBER_INCOMPATIBLE;
}

static size_t count_events(struct node *by, const char *kind)
{
    static struct member_event events[MEMBER_EVENTS_MAX];
    uint64_t newest;
    size_t count = membership_events(by->membership, 0, MEMBER_EVENTS_MAX, events, &newest);
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += strcmp(events[i].kind, kind) == 0;
    return found;
}

/* Two alone, of which one is too old: it is not just lonely, and the other knows whom to upgrade. */
static void two_that_share_no_version_both_name_the_other_once(void **state)
{
    (void)state;
    struct node *new = node_speaking((struct protocol){2, 3}, NULL);
    struct node *old = node_speaking((struct protocol){1, 1}, new);
    until(new, old, is_incompatible);
    until(old, new, is_incompatible);
    assert_string_equal(event_of(new, old, "refused").detail,
                        "speaks protocol 1, this node 2 to 3: upgrade it");
    struct member_event told = event_of(old, new, "refused");
    assert_string_equal(told.detail, "speaks protocol 2 to 3, this node 1: upgrade this node");
    assert_string_equal(told.name, new->config.name);
    struct member_table *table;
    const struct member *member = seen(old, new, &table);
    assert_int_equal(member->protocol.lowest, 2);
    assert_int_equal(member->protocol.highest, 3);
    uint32_t known, alive;
    member_table_count(table, &known, &alive);
    assert_int_equal(known, 2);
    assert_int_equal(alive, 1);
    member_table_release(&table);
    struct membership_counters c;
    membership_counters(new->membership, &c);
    assert_int_not_equal(c.incompatible, 0);
    assert_int_equal(count_events(new, "refused"), 1);
    assert_int_equal(count_events(old, "refused"), 1);
    node_free(old);
    node_free(new);
}

/* A transitional version holds together what cannot speak with each other; and when the old one is
 * upgraded, all are members of all. */
static void what_lies_between_an_old_and_a_new_version_speaks_with_both(void **state)
{
    (void)state;
    struct node *between = node_speaking((struct protocol){1, 2}, NULL);
    struct node *old = node_speaking((struct protocol){1, 1}, between);
    struct node *new = node_speaking((struct protocol){2, 2}, between);
    until(between, old, is_alive);
    until(between, new, is_alive);
    until(old, between, is_alive);
    until(new, between, is_alive);
    until(old, new, is_incompatible);
    until(new, old, is_incompatible);
    struct member_table *table; /* gossip told its address and version too */
    const struct member *member = seen(old, new, &table);
    assert_string_equal(member->version, ECBAK_VERSION);
    assert_true(member->address[0] != '\0');
    member_table_release(&table);
    membership_destroy(&old->membership);
    old->config.protocol = (struct protocol){1, 2};
    node_up(old);
    until(old, new, is_alive);
    until(new, old, is_alive);
    until(between, old, is_alive);
    struct node *all[] = {between, old, new};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(count_events(all[i], "suspect"), 0);
        assert_int_equal(count_events(all[i], "dead"), 0);
    }
    node_free(old);
    node_free(new);
    node_free(between);
}

/* It was a member before it was upgraded beyond this one, with nobody there to tell of that: the
 * connection does. */
static void a_member_that_comes_back_incompatible_is_not_taken_for_dead(void **state)
{
    (void)state;
    struct node *a = node_speaking((struct protocol){1, 1}, NULL);
    struct node *b = node_speaking((struct protocol){1, 2}, a);
    until(a, b, is_alive);
    until(b, a, is_alive);
    membership_destroy(&b->membership);
    b->config.protocol = (struct protocol){2, 2};
    node_up(b);
    until(a, b, is_incompatible);
    until(b, a, is_incompatible);
    assert_int_equal(count_events(a, "suspect") + count_events(a, "dead"), 0);
    node_free(b);
    node_free(a);
}

static struct member incompatible_of(unsigned number)
{
    struct member member = {.protocol = {2, 2}, .since_s = 5};
    member.cert.node[0] = (uint8_t)number;
    return member;
}

static void those_who_are_incompatible_are_news_once_and_forgotten_in_time(void **state)
{
    (void)state;
    static struct incompatible list;
    struct member member = incompatible_of(1);
    snprintf(member.address, sizeof(member.address), "192.0.2.1:7411");
    assert_true(incompatible_note(&list, &member, 1000));
    member.address[0] = '\0';
    assert_false(incompatible_note(&list, &member, 2000));
    assert_string_equal(list.members[0].address, "192.0.2.1:7411");
    assert_int_equal(list.members[0].state, MEMBER_INCOMPATIBLE);
    member.protocol.highest = 3;
    assert_true(incompatible_note(&list, &member, 3000));
    for (unsigned i = 2; i < 100; i++) {
        member = incompatible_of(i);
        assert_int_equal(incompatible_note(&list, &member, 4000), i <= INCOMPATIBLE_MAX);
    }
    assert_int_equal(list.count, INCOMPATIBLE_MAX);
    incompatible_remove(&list, member.cert.node); /* is not in it */
    assert_int_equal(list.count, INCOMPATIBLE_MAX);
    assert_false(incompatible_expire(&list, 2999 + INCOMPATIBLE_MS));
    assert_true(incompatible_expire(&list, 3000 + INCOMPATIBLE_MS));
    assert_int_equal(list.count, INCOMPATIBLE_MAX - 1);
    member = incompatible_of(7);
    incompatible_remove(&list, member.cert.node);
    assert_true(incompatible_note(&list, &member, 5000));
    assert_true(incompatible_expire(&list, 4000 + INCOMPATIBLE_MS));
    assert_int_equal(list.count, 1);
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
static void shut_out(struct node *at, struct node *whom)
{
    struct revocation r = {.at_s = wall_s(), .until_s = whom->cert.not_after_s};
    struct err err = ERR_INIT;
    uint8_t bytes[REVOCATION_BYTES];
    bool added;
    memcpy(r.node, whom->cert.node, sizeof(r.node));
    memcpy(r.curve, whom->cert.curve, sizeof(r.curve));
    snprintf(r.name, sizeof(r.name), "%s", whom->cert.name);
    assert_int_equal(revocation_sign(&r, authority_secret, &err), 0);
    assert_int_equal(revocation_encode(&r, bytes, &err), 0);
    assert_int_equal(
        revocations_add(at->revocations, bytes, sizeof(bytes), NULL, wall_s(), &added, &err), 0);
    assert_true(added);
    membership_heed(at->membership);
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
    struct membership_counters counters;
    a->revocations = revocations_made(a);
    b->revocations = revocations_made(b);
    node_up(a);
    node_up(b);
    node_up(c);
    until(a, c, is_alive);
    until(b, c, is_alive);
    shut_out(a, c);
    until(a, c, is_revoked);
    /* b sees that a knows of other revocations than it does; the bulk side would ask it now. */
    struct revocation_digest known = revocations_digest(a->revocations);
    int64_t until_ms = monotonic_ms() + DEADLINE_MS;
    for (bool told = false; !told;) {
        const struct member *member = seen(b, a, &table);
        told = member != NULL && member->revocations.digest == known.digest &&
               member->revocations.count == 1;
        member_table_release(&table);
        assert_true(monotonic_ms() < until_ms);
        usleep(10000);
    }
    shut_out(b, c);
    until(b, c, is_revoked);
    /* It comes back: nobody lets it in, and it is told why. */
    membership_destroy(&c->membership);
    node_up(c);
    until_ms = monotonic_ms() + DEADLINE_MS;
    do {
        membership_counters(a->membership, &counters);
        assert_true(monotonic_ms() < until_ms);
        usleep(10000);
    } while (counters.revoked == 0);
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
    assert_string_equal(member->bulk_endpoint, bulk);
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
    assert_int_equal(membership_new(&a->membership, &a->config, a->keys, &a->cert, authority_public,
                                    NULL, &offer, &err),
                     -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "advertise_address"));
    node_free(a);
}

static void notes_are_whole_or_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char path[64];
    snprintf(path, sizeof(path), "%s/notes", folder);
    struct member_notes notes = {.incarnation = 77, .count = 2}, got;
    randombytes_buf(notes.members[0].curve, 32);
    snprintf(notes.members[1].address, sizeof(notes.members[1].address), "host:1");
    assert_int_equal(member_notes_load(&got, path, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(member_notes_save(&notes, path, &err), 0);
    assert_int_equal(member_notes_load(&got, path, &err), 0);
    assert_memory_equal(&got, &notes, sizeof(got));

    uint8_t *bytes;
    size_t size;
    assert_int_equal(durable_read(path, 10000, &bytes, &size, &err), 0);
    assert_int_equal(size, 24 + 2 * 96 + 32);
    assert_memory_equal(bytes, "ecbakmbr\1\0\2\0\0\0\0\0\x4d\0\0\0\0\0\0\0", 24);
    assert_memory_equal(bytes + 24, notes.members[0].curve, 32);
    assert_memory_equal(bytes + 24 + 96 + 32, "host:1\0", 8);
    for (size_t i = 0; i < size; i++) {
        struct durable_piece piece = {bytes, size};
        bytes[i] ^= 0x10;
        assert_int_equal(durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, &err), 0);
        assert_int_equal(member_notes_load(&got, path, &err), -1);
        bytes[i] ^= 0x10;
        if (i >= 16)
            assert_int_equal(err.code, ERR_DAMAGED);
    }
    struct durable_piece piece = {bytes, size - 1};
    assert_int_equal(durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, &err), 0);
    assert_int_equal(member_notes_load(&got, path, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    free(bytes);
    unlink(path);
}

static void a_description_is_bounded(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct node_meta meta = {.certificate_size = CERT_BYTES_MAX,
                             .offer = {UINT64_MAX, UINT64_MAX, UINT64_MAX}},
                     got;
    uint8_t bytes[META_BYTES_MAX + 1] = {0};
    size_t size;
    memset(meta.bulk, 'x', sizeof(meta.bulk) - 1);
    memset(meta.version, 'v', sizeof(meta.version) - 1);
    assert_int_equal(meta_encode(&meta, bytes, &size, &err), 0);
    assert_int_equal(meta_decode(&got, bytes, size, &err), 0);
    assert_memory_equal(&got, &meta, sizeof(got));
    assert_int_equal(meta_decode(&got, bytes, META_BYTES_MAX + 1, &err), -1);
    for (size_t cut = 1; cut < size; cut++) /* whatever is cut off: an answer, and no crash */
        if (meta_decode(&got, bytes, cut, &err) == 0)
            assert_true(got.certificate_size <= CERT_BYTES_MAX);
    const uint8_t newline[] = {0x12, 2, 'a', '\n'};
    assert_int_equal(meta_decode(&got, newline, sizeof(newline), &err), -1);
}

/* What admit says to a statement of `id` under `name` with this certificate. */
static bool is_admitted(struct trust *trust, const uint8_t id[32], const char *name,
                        const struct cert *cert)
{
    struct err err = ERR_INIT;
    struct node_meta meta = {.bulk = "127.0.0.1:1", .version = "1"};
    struct swim_ops ops;
    struct swim_id swim_id;
    uint8_t bytes[META_BYTES_MAX];
    size_t size;
    memcpy(swim_id.bytes, id, sizeof(swim_id.bytes));
    assert_int_equal(cert_encode(cert, meta.certificate, &meta.certificate_size, &err), 0);
    assert_int_equal(meta_encode(&meta, bytes, &size, &err), 0);
    trust_fill_ops(trust, &ops);
    return ops.admit(ops.context, &swim_id, name, "127.0.0.1:1", bytes, size);
}

static void a_statement_needs_a_certificate_of_its_own_id_and_name(void **state)
{
    (void)state;
    struct node *a = node_made(NULL), *b = node_made(NULL);
    struct trust trust = {0};
    trust_init(&trust, a->keys, authority_public, NULL);
    assert_true(is_admitted(&trust, a->keys->node, a->cert.name, &a->cert));
    assert_true(is_admitted(&trust, a->keys->node, a->cert.name, &a->cert)); /* from the cache */
    assert_false(is_admitted(&trust, b->keys->node, a->cert.name, &a->cert));
    assert_false(is_admitted(&trust, a->keys->node, b->cert.name, &a->cert));
    assert_int_equal(trust.refused_count, 2);
    sign(b, wall_s() - 7200, wall_s() - 3600, authority_secret);
    assert_false(is_admitted(&trust, b->keys->node, b->cert.name, &b->cert));
    assert_int_equal(trust.expired_count, 1);
    uint8_t other_public[32], other_secret[64];
    crypto_sign_keypair(other_public, other_secret);
    sign(b, wall_s() - 60, wall_s() + 3600, other_secret);
    assert_false(is_admitted(&trust, b->keys->node, b->cert.name, &b->cert));
    assert_int_equal(trust.foreign_count, 1);
    trust_release(&trust);
    node_free(a);
    node_free(b);
}

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    if (sodium_init() < 0 || mkdtemp(folder) == NULL)
        return -1;
    return crypto_sign_keypair(authority_public, authority_secret);
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_find_each_other_through_one_seed),
        cmocka_unit_test(the_order_of_starting_does_not_matter),
        cmocka_unit_test(what_a_node_offers_is_told_to_the_others),
        cmocka_unit_test(a_stopping_node_says_that_it_is_away),
        cmocka_unit_test(a_leaving_node_is_gone_for_good),
        cmocka_unit_test(a_node_comes_back_without_seeds_and_with_a_newer_incarnation),
        cmocka_unit_test(what_happens_to_members_is_noted_for_people),
        cmocka_unit_test(who_was_never_measured_is_as_far_as_the_others_of_its_zone),
        cmocka_unit_test(who_is_away_is_known_and_not_alive_and_who_is_out_is_neither),
        cmocka_unit_test(round_trips_are_measured),
        cmocka_unit_test(strangers_are_refused_and_counted),
        cmocka_unit_test(two_that_share_no_version_both_name_the_other_once),
        cmocka_unit_test(what_lies_between_an_old_and_a_new_version_speaks_with_both),
        cmocka_unit_test(a_member_that_comes_back_incompatible_is_not_taken_for_dead),
        cmocka_unit_test(those_who_are_incompatible_are_news_once_and_forgotten_in_time),
        cmocka_unit_test(a_statement_needs_a_certificate_of_its_own_id_and_name),
        cmocka_unit_test(a_revoked_node_is_out_at_once_and_where_it_was_stays_known),
        cmocka_unit_test(an_address_that_nobody_can_reach_is_refused),
        cmocka_unit_test(notes_are_whole_or_refused),
        cmocka_unit_test(a_description_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
