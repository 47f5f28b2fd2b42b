/* standing.h - how willingly another node is asked: in this order.
 *
 * peers/nodes.c says which member has which.
 */
#ifndef ECBAK_NODE_PLACEMENT_STANDING_H
#define ECBAK_NODE_PLACEMENT_STANDING_H

enum standing {
    STANDING_SELF,
    STANDING_GOOD,
    STANDING_DOUBTFUL, /* failed lately, suspect, or away for a while */
    STANDING_DEAD,
    STANDING_REVOKED,      /* asked for fragments, after everybody else; never for anything else */
    STANDING_INCOMPATIBLE, /* speaks no protocol that we speak: asked nothing, counts for nothing */
    STANDING_LEFT,
};

#endif
