/* request.h - the kinds of requests that a node answers, as tables: one for other nodes
 * (peer_requests.c), one for commands (client_requests.c).
 *
 * A row says which queue a request waits in, what it costs at most, and who answers it. The kind is
 * found before the request is unpacked, so that the thread that receives it does no work for it;
 * after unpacking it must be the same, so nobody can sneak a dear request into a queue for cheap
 * ones. node/README.md shows both tables, and a test holds it to them.
 *
 *   Threads  any; the tables are constant
 */
#ifndef ECBAK_NODE_SERVE_REQUEST_H
#define ECBAK_NODE_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

/* Each queue has threads of its own. */
enum queue {
    QUEUE_QUICK,  /* commands that people wait for while all else is busy */
    QUEUE_CLIENT, /* commands */
    QUEUE_PEER,   /* other nodes: never waits for another node, so that none lock each other up */
    QUEUE_DIAL,   /* other nodes that ask to be dialled */
    QUEUE_COUNT,
};

/* What a request may take at most, each more than those before. */
enum cost {
    COST_MEMORY,    /* answered from memory; looks at the sentinel of the data directory at most */
    COST_CATALOGUE, /* rows of the catalogue */
    COST_FILE,      /* a fragment or a record, to disk or from it */
    COST_NETWORK,   /* waits for other nodes */
};

struct request {
    unsigned body; /* the field number of its kind in the message's oneof */
    const char *name;
    enum queue queue;
    enum cost cost;
};

struct payload;

/* A request as it came. Borrows all; but whoever keeps the payload moves it out. */
struct question {
    const struct node_id *node; /* the node that asks, proven; NULL: a command */
    const char *from;           /* the address that its connection comes from */
    bool by_owner;              /* of root's, or of this node's own user */
    enum queue queue;           /* the one that it waited in */
    const uint8_t *header;
    size_t header_size;
    struct payload *payload; /* never NULL */
};

/* The kind of a message that is not unpacked yet: of the fields in its bytes, the last one that
 * carries a message, which is the one that unpacking keeps. 0: none, or bytes that are no message. */
unsigned request_body(const uint8_t *bytes, size_t size);

#endif
