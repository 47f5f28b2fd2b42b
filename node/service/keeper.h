/* keeper.h - the thread that keeps house: pulls records, announces what is used, sees that the data
 * directory is still this node's, tells systemd how things are, and writes the date down.
 *
 *   Threads  start and stop on the service's
 */
#ifndef ECBAK_NODE_SERVICE_KEEPER_H
#define ECBAK_NODE_SERVICE_KEEPER_H

#include "node/service/inside.h"

/* Records are pulled from one random member each KEEPER_SYNC_MS (and 25 % at random), and at once
 * from who is seen for the first time. */
#define KEEPER_SYNC_MS   10000
#define KEEPER_USAGE_MS  5000
#define KEEPER_TICK_MS   1000
#define KEEPER_STATUS_MS 30000    /* systemd is told how things are so often, where they changed */
#define KEEPER_DATE_S    3600     /* the date is written down so often, and at the end */
#define KEEPER_EXPIRY_MS 86400000 /* the certificate's dates are looked at so often */

/* What this node offers now; no capacity when its storage is out of service. */
void keeper_offer(struct service *service, struct membership_offer *offer);

int keeper_start(struct service *service, struct err *err) MUST_CHECK;
void keeper_stop(struct service *service);

#endif
