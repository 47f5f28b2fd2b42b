/* believe.h - which of the objects that nodes claim to hold count.
 *
 * Anybody can make up objects of a pack. One counts when a grant of the vault names it, by a writer who
 * can read the vault (who has its secret, and its packs to lose), or by the very writer who asks. What
 * this node has seen it remembers (store_believe); what it has not, it asks of those who claim to hold
 * rows. The object's shape is what the grant says, never what an answer claims.
 *
 *   Limits   BELIEVE_MS for all questions of a call; a node none of whose answers held is not asked again
 *   Threads  any; one at a time for the same claims
 */
#ifndef ECBAK_NODE_TRANSFER_BELIEVE_H
#define ECBAK_NODE_TRANSFER_BELIEVE_H

#include "node/peers/nodes.h"
#include "node/transfer/sightings.h"

#define BELIEVE_MS 20000

/* An object of a pack that somebody claims to hold rows of. */
struct claim {
    const struct pack_id *pack;
    struct object_id object;
    const struct sighting *seen; /* all rows of it that were seen */
    size_t seen_count;
    bool believed;
    struct belief belief; /* when it is */
    size_t next;          /* in seen: who is asked next for its grant */
};

/* Decides for each claim. Claims that nobody has a grant for are said in the log, once an object. */
void believe_claims(struct nodes *nodes, const struct vault_id *vault,
                    const struct writer_id *writer, struct claim *claims, size_t count);

#endif
