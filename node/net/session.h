/* session.h - who has shown a certificate: proven CURVE key -> node, in a bounded table.
 *
 * A session belongs to the key that the connection proved, not to the connection: a node that
 * connects twice is one session. When the table is full, the one not heard for longest goes.
 *
 *   Units    dates in seconds since 1970, waiting times in monotonic milliseconds
 *   Memory   pointers handed out hold until the next session_add
 *   Threads  one
 */
#ifndef ECBAK_NODE_NET_SESSION_H
#define ECBAK_NODE_NET_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "node/net/lateness.h"
#include "node/trust/cert.h"

/* The name that our ROUTER gave to a connection. */
#define ROUTE_SIZE_MAX 32
struct route {
    uint8_t bytes[ROUTE_SIZE_MAX];
    size_t size;
};

struct session {
    uint8_t curve[32];
    struct node_id node;
    uint64_t serial;
    int64_t not_before_s, not_after_s;
    int64_t heard_ms;
    struct route route; /* where the node itself spoke last, at spoke_ms; none: size 0 */
    int64_t spoke_ms;
    struct lateness lateness;
    uint32_t next; /* in its bucket */
};

struct session_table;

struct session_table *session_table_new(size_t max);
void session_table_destroy(struct session_table **table);

/* NULL when that key has shown no certificate. */
struct session *session_find(struct session_table *table, const uint8_t curve[32]);
/* The session of a node, of several (under an older key) the one heard last; NULL: none. */
struct session *session_of_node(struct session_table *table, const struct node_id *node);
/* The session of cert->curve from now on, new or renewed. */
struct session *session_add(struct session_table *table, const struct cert *cert, int64_t now_ms);

#endif
