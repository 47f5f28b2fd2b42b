/* zap.h - who may connect to the sockets of one ZeroMQ context.
 *
 * libzmq asks the ZAP handler of a context about every new CURVE connection, and lets EVERYBODY in,
 * without a proven identity, when there is none. So each context starts its handler before its
 * first bind, and every message without the User-Id that only a handler can set is dropped by
 * whoever reads it.
 *
 * The handler lets in any CURVE key but those denied for a while: who belongs to the cluster is
 * decided by the certificate in the first message (node/net/link.h), which proves that this very key is
 * a node's.
 *
 *   Limits   ZAP_DENIED_MAX keys denied at once, the one denied first goes first
 *   Threads  zap_start and zap_stop: the context's owner; the others: any
 */
#ifndef ECBAK_NODE_DOOR_ZAP_H
#define ECBAK_NODE_DOOR_ZAP_H

#include <stdint.h>

#include "coding/base/err.h"

#define ZAP_DENIED_MAX   256
#define ZAP_USER_ID_SIZE 64 /* a CURVE public key in hexadecimal digits */

struct zap;

/* Starts the handler's thread in the context; it is listening when this returns. */
int zap_start(struct zap **zap, void *context, struct err *err) MUST_CHECK;
/* After zmq_ctx_shutdown of the context, before its zmq_ctx_term: waits for the thread. */
void zap_stop(struct zap **zap);

/* Refuses this key until until_ms (monotonic_ms). NULL: does nothing. */
void zap_deny(struct zap *zap, const uint8_t curve_public[32], int64_t until_ms);
/* Connections refused because their key was denied. */
uint64_t zap_denied_count(struct zap *zap);

#endif
