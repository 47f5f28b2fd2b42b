/* reach.h - can the others reach this machine? It asks a few of them to try.
 *
 * A machine behind a firewall or an address translation can reach others and be heard on the
 * connections that it made itself, and still nobody can store on it or fetch from it. So it asks
 * some members to dial it back, at the address that it tells everybody, on connections of their own.
 *
 *   Trust    a member is dialled only where its own signed gossip says that it is, and only if it asks
 *            from that very address, one time in REACH_CALLER_MS, REACH_QUEUE_MAX waiting: nobody is sent
 *            to look at the ports of others
 *   Threads  reach_read any; reach_tick and reach_dial one each; dialling has a queue and a thread
 *            of its own, so that no other request waits for a network
 */
#ifndef ECBAK_NODE_PEERS_REACH_H
#define ECBAK_NODE_PEERS_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/config/config.h"
#include "node/peers/peer.pb-c.h"
#include "node/peers/peers.h"

#define REACH_ASKED_MAX 3
#define REACH_QUEUE_MAX 8
#define REACH_CALLER_MS 5000
#define REACH_TEXT_SIZE 256

struct reach;

/* What is known of it now. */
struct reachable {
    uint32_t asked;  /* members that tried; 0: not known yet, or why nobody tries */
    uint32_t failed; /* of these, could not reach one of our ports */
    char text[REACH_TEXT_SIZE];
};

void reach_new(struct reach **reach, struct peers *peers, const struct config *config);
void reach_destroy(struct reach **reach);

/* Asks when it is time. */
void reach_tick(struct reach *reach);
void reach_read(struct reach *reach, struct reachable *reachable);

/* A member asks to be dialled, on a connection from the address `from`: tries it, and fills the reply,
 * which borrows text. ERR_NOT_FOUND when it is no member that we know; ERR_DENIED when it says in gossip
 * that it is elsewhere; ERR_BUSY when it asks too often. One thread at a time. */
int reach_dial(struct reach *reach, const struct node_id *node, const char *from,
               Ecbak__DialBackReply *reply, char text[REACH_TEXT_SIZE], struct err *err) MUST_CHECK;

#endif
