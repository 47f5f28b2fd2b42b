/* invariants.h - what must hold after every step of every core, whatever the network does.
 *
 * Beside each core stands what its orders said so far: of every member the state, the incarnation
 * last adopted, and the round probe that it last got. What a core adopts goes through ops.keep, and
 * each change of state through an event, so nothing escapes, at a cost per step that does not grow
 * with the cluster. Now and then a whole core is compared with what it had said.
 *
 *   kept       incarnations only rise, none is above what its owner announced
 *   event      a state follows only from one that can lead to it; alive, left and away need a new
 *              claim; nobody suspects itself; forgotten are only the dead and the left; who
 *              is refused counts as left
 *   send       budgets; an incarnation is on disk before it is sent
 *   stepped    counts add up, limits hold, suspicions lie between their bounds
 *   probes     nobody twice in a lap, no two probes of one target more than 2n - 1 apart (where not all
 *              are neighbours: than two turns of everybody as a neighbour); no round without a probe
 *              while anybody is there who is not being probed
 *   Errors     world_fail()
 */
#ifndef ECBAK_TEST_SIM_INVARIANTS_H
#define ECBAK_TEST_SIM_INVARIANTS_H

#include "test/sim/world.h"

void invariants_init(struct world *world);
void invariants_release(struct world *world);

/* A node starts, and knows nobody. */
void invariants_start(struct world *world, uint32_t index);
/* An owner announced this (or a scenario that forges, in its name). */
void invariants_announced(struct world *world, uint32_t identity, uint64_t incarnation);

void invariants_kept(struct world *world, uint32_t observer, const uint8_t *claim);
void invariants_event(struct world *world, uint32_t observer, enum swim_event event,
                      uint32_t member);
void invariants_persist(struct world *world, uint32_t index, uint64_t incarnation);
void invariants_send(struct world *world, uint32_t from, const struct swim_order *order);

/* Before the orders of a step are carried out, and after. */
void invariants_ordered(struct world *world, uint32_t index);
void invariants_stepped(struct world *world, uint32_t index);

/* All that one core knows. */
void invariants_scan(struct world *world, uint32_t index);

#endif
