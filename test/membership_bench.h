/* membership_bench.h - the membership of several nodes in one process, on the loopback, with real
 * sockets, keys and certificates.
 */
#ifndef ECBAK_TEST_MEMBERSHIP_BENCH_H
#define ECBAK_TEST_MEMBERSHIP_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/log.h"
#include "node/membership/membership_internal.h"
#include "node/trust/node_keys.h"
#include "test/authority_sample.h"
#include "test/free_port.h"
#include "test/remove_tree.h"
#include "test/wait_for.h"

static char folder[] = "/tmp/ecbak-membership-XXXXXX";
static int node_number;

struct node {
    struct config config;
    struct node_keys *keys;
    struct cert cert;
    struct revocations *revocations; /* NULL: none */
    struct membership *membership;
};

/* seed: whom it joins through, or NULL. */
static inline struct node *node_made(struct node *seed)
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
    certify_now(&node->cert, node->keys, config->name);
    return node;
}

static inline void node_up(struct node *node)
{
    struct err err = ERR_INIT;
    struct membership_offer offer = {.capacity_bytes = 1000, .used_bytes = 1, .store_epoch = 7};
    if (membership_new(&node->membership, &node->config,
                       &(struct credentials){node->keys, &node->cert, authority_public},
                       node->revocations, &offer, &err) != 0)
        fail_msg("%s", err.text);
}

static inline struct node *node_started(struct node *seed)
{
    struct node *node = node_made(seed);
    node_up(node);
    return node;
}

static inline void node_free(struct node *node)
{
    membership_destroy(&node->membership);
    node_keys_destroy(&node->keys);
    revocations_close(&node->revocations);
    free(node);
}

/* How `by` sees `of`, or NULL; the table must be released. */
static inline const struct member *seen(struct node *by, struct node *of,
                                        struct member_table **table)
{
    *table = membership_table(by->membership);
    return member_find(*table, &of->keys->node);
}

static inline bool is_alive(const struct member *member)
{
    return member != NULL && member->state == MEMBER_ALIVE && !member->away;
}

/* How long it took until `by` saw `of` so. */
static inline int64_t until(struct node *by, struct node *of, bool (*so)(const struct member *))
{
    int64_t start_ms = monotonic_ms();
    for (;;) {
        struct member_table *table;
        bool is_so = so(seen(by, of, &table));
        member_table_release(&table);
        if (is_so)
            return monotonic_ms() - start_ms;
        if (monotonic_ms() - start_ms > WAIT_FOR_MS)
            fail_msg("%s does not see %s so", by->config.name, of->config.name);
        usleep(5000);
    }
}

/* The newest event about `of` that `by` noted, of that kind (NULL: any); false: none. */
static inline bool find_event(struct member_event *event, struct node *by, struct node *of,
                              const char *kind)
{
    static struct member_event events[MEMBER_EVENTS_MAX];
    uint64_t newest;
    size_t count = membership_events(by->membership, 0, MEMBER_EVENTS_MAX, events, &newest);
    while (count-- > 0) {
        *event = events[count];
        if ((kind == NULL || strcmp(event->kind, kind) == 0) &&
            id_equal(&event->id, &of->keys->node))
            return true;
    }
    return false;
}

static inline struct member_event event_of(struct node *by, struct node *of, const char *kind)
{
    struct member_event event;
    WAIT_FOR(find_event(&event, by, of, kind));
    return event;
}

static inline int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    return mkdtemp(folder) == NULL ? -1 : authority_set_up();
}

static inline int tear_down(void **state)
{
    (void)state;
    return remove_tree(folder);
}

#endif
