/* health.h - which nodes failed us lately, so that a job does not wait for them first.
 *
 * Membership takes seconds to see that a node is gone; a job that asked it knows at once. A node
 * that failed is doubted for a while, twice as long each time it fails again, until it takes a
 * fragment or gives one that proves itself, or comes back under a new incarnation. One that sent what
 * proves nothing is doubted longest, and only what proves itself ends that: incarnations and receipts
 * are its own to make. Small answers end nothing, or whoever answers "I have it" would be asked first
 * for ever. A doubtful node is tried last and not waited for long.
 *
 *   Limits   HEALTH_NODES_MAX nodes are remembered, the oldest is forgotten first
 *   Threads  any
 */
#ifndef ECBAK_NODE_PEERS_HEALTH_H
#define ECBAK_NODE_PEERS_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/base/id.h"

#define HEALTH_NODES_MAX      256
#define HEALTH_DOUBT_FIRST_MS 5000
#define HEALTH_DOUBT_MOST_MS  120000
#define HEALTH_FORGET_MS      600000 /* after so long without one, a failure is the first again */

struct health;

void health_new(struct health **health);
void health_destroy(struct health **health);
void health_failed(struct health *health, const struct node_id *node, uint64_t incarnation,
                   int64_t now_ms);
/* What it sent proves nothing. */
void health_lied(struct health *health, const struct node_id *node, int64_t now_ms);
/* It took a fragment: it is there, and quick enough. */
void health_took(struct health *health, const struct node_id *node);
/* It sent what proves itself. */
void health_proved(struct health *health, const struct node_id *node);
bool health_doubtful(struct health *health, const struct node_id *node, uint64_t incarnation,
                     int64_t now_ms);

#endif
