/* self.h - what we say of ourselves, and how we answer those who say something else.
 *
 *   Limits   self_check_text and self_check_metadata hold what the shell states to those of swim.h
 *   Memory   copies what it is given
 */
#ifndef ECBAK_GOSSIP_CORE_SELF_H
#define ECBAK_GOSSIP_CORE_SELF_H

#include "gossip/swim.h"

struct claim;

struct own {
    char name[SWIM_NAME_MAX + 1];
    char address[SWIM_ADDRESS_MAX + 1];
    uint8_t metadata[SWIM_METADATA_MAX];
    size_t metadata_size;
    uint64_t incarnation;
    uint64_t session;
    enum swim_state state;
    uint32_t away_ms;
    bool remembers;         /* its incarnation was on disk when it started */
    struct node_id accuser; /* the last one that raised our awareness, and when */
    uint64_t accused_ms;
    uint64_t refute_ms; /* when the budget of refutations was last filled up */
    uint32_t refute_budget;
    uint64_t refute_above; /* the incarnation to refute, while the budget is used up; else 0 */
};

int self_check_text(const char *what, const char *text, size_t size_max,
                    struct err *err) MUST_CHECK;
int self_check_metadata(const uint8_t *metadata, size_t size, struct err *err) MUST_CHECK;
/* Begins the roster with ourselves. */
void self_start(struct swim *swim, const struct swim_self *start);
/* Say what swim->own holds with a higher incarnation, at least `above` + 1. */
void self_announce(struct swim *swim, uint64_t above);
/* The same, within the budget of refutations. */
void self_refute(struct swim *swim, uint64_t above);
void self_tick(struct swim *swim);
/* To the others our claim is this one, of another process with our key. */
void self_adopt(struct swim *swim, const struct claim *claim, const uint8_t *bytes, size_t size);

#endif
