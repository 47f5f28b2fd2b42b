/* sync.h - anti-entropy: two members find out what each of them lacks, and tell it.
 *
 *   Limits   SYNCS_PER_SECOND messages of one member are answered; each is at most
 *            swim_config.sync_size_max, what is larger is paged
 */
#ifndef ECBAK_GOSSIP_CORE_SYNC_H
#define ECBAK_GOSSIP_CORE_SYNC_H

#include "gossip/swim.h"

struct roster_member;
struct merged;
struct Ecbak__Gossip__Packet;

/* Hello, Buckets, Entries, Give; what the packet's claims came to is merged already. */
void sync_receive(struct swim *swim, const struct node_id *from,
                  const struct Ecbak__Gossip__Packet *packet, const struct merged *merged);
/* Begin with a member, or with whoever is at a seed's address. */
void sync_hello(struct swim *swim, const struct roster_member *to);
void sync_join(struct swim *swim, const char *address);
/* Ask a member within the next probe interval. */
void sync_soon(struct swim *swim);
/* We believe that it is there: alive, suspect or away. */
bool sync_believed(const struct roster_member *member);

#endif
