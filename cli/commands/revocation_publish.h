/* revocation_publish.h - a revocation on its way from the operator to the cluster.
 *
 *   Threads  one
 */
#ifndef ECBAK_CLI_COMMANDS_REVOCATION_PUBLISH_H
#define ECBAK_CLI_COMMANDS_REVOCATION_PUBLISH_H

#include <jansson.h>

#include "coding/base/err.h"
#include "node/api/client.h"
#include "node/trust/revocation.h"

/* Gives it to the node behind the client; *known: it had it before. */
int revocation_publish(struct client *client, const struct revocation *r, bool *known,
                       struct err *err) MUST_CHECK;
json_t *revocation_json(const struct revocation *r, const char *armor);

#endif
