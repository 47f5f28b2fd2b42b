/* news.h - what others say of members is checked, and merged into what we know.
 *
 * `from` is the member whose message carried it, not its maker.
 *
 *   Trust    all bytes are hostile: what is malformed is counted, a forgery makes `from` mute
 */
#ifndef ECBAK_GOSSIP_CORE_NEWS_H
#define ECBAK_GOSSIP_CORE_NEWS_H

#include "gossip/swim.h"

struct roster_member;

#define MUTE_MS 60000 /* who passes on a forgery is not believed for this long */

enum news {
    NEWS_NONE,     /* known already, or not acceptable */
    NEWS_LEARNT,   /* we know more now */
    NEWS_OBSOLETE, /* the teller does not know yet that this member is dead or left */
};

/* What a packet's claims came to. */
struct merged {
    size_t learnt;
    uint8_t *obsolete; /* bit i: claim i was about a member that is dead or left */
};

enum news news_claim(struct swim *swim, const struct node_id *from, const uint8_t *bytes,
                     size_t size);
void news_accusation(struct swim *swim, const struct node_id *from, const uint8_t *bytes,
                     size_t size);
/* Count a forgery against who passed it on. */
void news_forged(struct swim *swim, const struct node_id *from);
/* The away time that the member asked for is not over. */
bool news_away(const struct swim *swim, const struct roster_member *member);
/* Forget tombstones that are old enough. */
void news_forget(struct swim *swim);

#endif
