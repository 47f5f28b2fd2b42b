/* chores.h - what a node does by itself, again and again: a table of chores, each with its period,
 * its thread, and what it may wait for.
 *
 * Threads are told apart by what their chores may wait for, so that a node that does not answer, or
 * a disk that hangs, holds up only chores of its kind. node/README.md shows the table.
 *
 *   Memory   borrows all that its options point to
 *   Threads  new and destroy on one
 */
#ifndef ECBAK_NODE_CHORES_CHORES_H
#define ECBAK_NODE_CHORES_CHORES_H

#include "coding/base/err.h"
#include "node/config/config.h"
#include "node/membership/membership.h"
#include "node/peers/peers.h"
#include "node/peers/reach.h"

struct chores;

struct chores_options {
    struct peers *peers;
    const struct config *config;
    const struct cert *cert; /* this node's */
    struct reach *reach;
};

int chores_new(struct chores **chores, const struct chores_options *options,
               struct err *err) MUST_CHECK;
/* Waits for the chores that run: set peers->stop first, so that they give up. */
void chores_destroy(struct chores **chores);

#endif
