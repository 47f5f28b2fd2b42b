/* daemon.h - ecbakd from its configuration on: what it checks before it starts, in which order
 * things start and stop, and which signals it listens to.
 *
 *   Start    keys, certificate, store, service (which says "ready" by returning); then one line in
 *            the log, and systemd is told
 *   Stop     SIGTERM and SIGINT, or a command that made the node leave: the service says goodbye to
 *            the others, then everything closes in reverse order; within seconds
 *   Errors   ERR_NOT_FOUND, ERR_DENIED, ERR_FOREIGN...: the text says which file, and what to run
 *   Threads  the main one, before any other was started
 */
#ifndef ECBAK_NODE_DAEMON_H
#define ECBAK_NODE_DAEMON_H

#include <stdio.h>

#include "coding/base/err.h"
#include "node/config/config.h"
#include "node/config/zone.h"

/* New keys and an empty data directory; prints the request that the authority is to sign. Replaces
 * nothing. */
int daemon_init(const struct config *config, FILE *to, struct err *err) MUST_CHECK;
/* Makes another CURVE key for the same node, beside the one in use (key_file.next), and prints the
 * request for it. The node goes on with the old one until it starts with a certificate that names
 * the new one; then that takes its place. Until then, a second call prints the same request. */
int daemon_rotate(const struct config *config, FILE *to, struct err *err) MUST_CHECK;
/* Prints the request again: for the keys that wait, or for those in use. */
int daemon_print_request(const struct config *config, FILE *to, struct err *err) MUST_CHECK;
/* The zone that this request names: the configured one, or what the machine finds out. */
void daemon_zone(struct zone *zone, const struct config *config);
/* Serves until it is told to stop. */
int daemon_run(const struct config *config, struct err *err) MUST_CHECK;

#endif
