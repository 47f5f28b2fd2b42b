/* reach.h - can the others reach this machine? It asks a few of them to try.
 *
 * A machine behind a firewall or an address translation can reach others and be heard on the
 * connections that it made itself, and still nobody can store on it or fetch from it. So it asks
 * some members to dial it back, at the address that it tells everybody, on connections of their own.
 *
 *   Trust    a member is dialled only where its own signed gossip says that it is, one time in
 *            REACH_CALLER_MS, REACH_QUEUE_MAX waiting: nobody is sent to scan others at any speed. A
 *            member that lies about where it is learns whether two ports answer, as seen from here
 *   Threads  reach_read any; reach_tick the keeper's; the dialling has a thread of its own, so that
 *            no request of another node waits for a network
 */
#ifndef ECBAK_NODE_SERVICE_REACH_H
#define ECBAK_NODE_SERVICE_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/net/transport.h"

#define REACH_ASKED_MAX 3
#define REACH_QUEUE_MAX 8
#define REACH_CALLER_MS 5000
#define REACH_TEXT_SIZE 256

struct service;
struct reach;

/* What is known of it now. */
struct reachable {
    uint32_t asked;  /* members that tried; 0: not known yet */
    uint32_t failed; /* of these, could not reach one of our ports */
    char text[REACH_TEXT_SIZE];
};

void reach_new(struct reach **reach, struct service *service);
/* Waits for a dialling under way. */
void reach_destroy(struct reach **reach);

/* Asks when it is time. */
void reach_tick(struct reach *reach);
void reach_read(struct reach *reach, struct reachable *reachable);

/* A member asks us to dial it: is this request one? Then it is taken, and answered later. */
bool reach_take(struct reach *reach, struct incoming *incoming);

#endif
