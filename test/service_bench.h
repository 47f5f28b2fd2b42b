/* service_bench.h - one cluster of whole nodes for a test program (service_lab.h), and what its tests
 * ask of it.
 */
#ifndef ECBAK_TEST_SERVICE_BENCH_H
#define ECBAK_TEST_SERVICE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/service_lab.h"

static struct lab lab;

static inline void assert_gets(size_t node, const struct lab_pack *pack, uint32_t corrupt)
{
    struct client_answer answer = lab_get(&lab, node, &pack->id);
    if (answer.err.code != ERR_NONE)
        fail_msg("%s", answer.err.text);
    assert_int_equal(answer.pack_size, pack->size);
    assert_memory_equal(answer.pack, pack->bytes, pack->size);
    assert_int_equal(answer.corrupt, corrupt);
    free(answer.pack);
}

static inline struct redundancy assert_puts(size_t node, const struct lab_pack *pack,
                                            uint32_t nodes)
{
    struct client_answer answer = lab_put(&lab, node, pack, 4, 2);
    if (answer.err.code != ERR_NONE)
        fail_msg("%s", answer.err.text);
    assert_int_equal(answer.held.nodes, nodes);
    return answer.held;
}

static inline uint64_t counter_of(size_t node, const char *name)
{
    struct err err = ERR_INIT;
    struct node_status status;
    lab_ok(client_status(lab_client(&lab, node), &status, &err));
    for (size_t i = 0; i < status.counter_count; i++) {
        if (strcmp(status.counters[i].name, name) == 0)
            return status.counters[i].value;
    }
    fail_msg("no counter %s", name);
    return 0;
}

static inline struct redundancy pinned(size_t node, const struct pack_id *pack, bool repair)
{
    struct err err = ERR_INIT;
    struct redundancy held;
    lab_ok(client_pin_packs(lab_client(&lab, node), &lab.pin, pack, 1, repair, NULL, &held, &err));
    return held;
}

/* ---- the tests ---- */

/* So many nodes, which know each other. */
static inline int lab_up(size_t count)
{
    lab_init(&lab);
    for (size_t i = 0; i < count; i++)
        lab_add_node(&lab, (uint64_t)1 << 30);
    for (size_t i = 0; i < count; i++)
        lab_start_node(&lab, i);
    lab_settle(&lab);
    return 0;
}

static inline int lab_down(void **state)
{
    (void)state;
    lab_release(&lab);
    return 0;
}

#endif
