/* relay.h - pings on behalf of others, whose own were not answered in time.
 *
 *   Limits   RELAYS_MAX outstanding at once; beyond that the oldest gives way
 */
#ifndef ECBAK_GOSSIP_CORE_RELAY_H
#define ECBAK_GOSSIP_CORE_RELAY_H

#include "gossip/swim.h"

struct Ecbak__Gossip__Ask;

#define RELAYS_MAX 128

struct relay {
    bool used;
    struct node_id origin, target;
    uint32_t origin_sequence, sequence;
    uint64_t nack_ms; /* NEVER once it was sent */
    uint64_t expires_ms;
};

void relay_asked(struct swim *swim, const struct node_id *from,
                 const struct Ecbak__Gossip__Ask *ask);
/* An Ack that answers no probe of ours. */
void relay_acked(struct swim *swim, const struct node_id *from, uint32_t sequence);
/* Send the Nacks that are due, and end what is over. */
void relay_run(struct swim *swim);
/* End all of them. */
void relay_drop(struct swim *swim);

#endif
