/* serve_client.h - what commands ask of their node: one function a kind of request.
 *
 * Runs on the client threads in straight blocking code, and may wait for other nodes.
 *
 *   Trust    who may open the socket may ask; every byte is checked all the same
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVICE_SERVE_CLIENT_H
#define ECBAK_NODE_SERVICE_SERVE_CLIENT_H

#include "node/service/inside.h"

/* Answers it, and releases it. */
void serve_client(struct service *service, struct incoming *incoming);

#endif
