/* suspicion.h - from an accusation to a death, or back.
 *
 *   Limits   one for each suspect; ACCUSERS_MAX accusers of each are noted
 *   Memory   ends with the member's suspect state, whatever ends that
 */
#ifndef ECBAK_GOSSIP_CORE_SUSPICION_H
#define ECBAK_GOSSIP_CORE_SUSPICION_H

#include "gossip/claim.h"

struct roster_member;

#define ACCUSERS_MAX 9 /* swim_config.confirmations and the first one */

struct suspicion {
    struct suspicion *next, *previous;
    struct roster_member *member;
    uint64_t start_ms;
    uint64_t deadline_ms;
    uint64_t probe_ms; /* when we probe it ourselves; NEVER once we did */
    uint32_t accuser_count;
    bool first_hand;  /* our own probe failed too */
    bool called_dead; /* somebody's timer ran out already */
    struct node_id accusers[ACCUSERS_MAX];
    uint8_t first[ACCUSATION_SIZE]; /* the accusation that began it, for the buddy system */
};

struct suspicions {
    struct suspicion *first;
    uint64_t wake_ms; /* none ends, or wants a probe, before */
};

/* Merge a verified accusation of a member that is alive or suspect. */
void suspicion_add(struct swim *swim, struct roster_member *member,
                   const struct accusation *accusation, const uint8_t bytes[ACCUSATION_SIZE]);
/* Whether the accusation changes anything. */
bool suspicion_counts(const struct swim *swim, const struct roster_member *member,
                      const struct accusation *accusation);
/* Our own probe of the suspect failed. */
void suspicion_first_hand(struct swim *swim, struct roster_member *member);
/* It is dead. */
void suspicion_conclude(struct swim *swim, struct roster_member *member);
/* Accuse it ourselves. */
void suspicion_accuse(struct swim *swim, struct roster_member *member);
/* The accusation that we would make of it now. */
void suspicion_sign(const struct swim *swim, const struct roster_member *member,
                    enum swim_state state, uint8_t bytes[ACCUSATION_SIZE]);
/* Forget the suspicion of this member, if there is one; its state is the caller's to change. */
void suspicion_end(struct swim *swim, struct roster_member *member);
void suspicion_tick(struct swim *swim);
/* We stood still for so long: all deadlines move. */
void suspicion_shift(struct swim *swim, uint64_t late_ms);
uint64_t suspicion_min_ms(const struct swim *swim);
uint64_t suspicion_max_ms(const struct swim *swim);

#endif
