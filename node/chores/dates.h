/* dates.h - the chores about the date: it is written down for the next start, and the operator is
 * told in time that this node's certificate ends.
 *
 *   Threads  one
 */
#ifndef ECBAK_NODE_CHORES_DATES_H
#define ECBAK_NODE_CHORES_DATES_H

#include "node/base/date.h"
#include "node/common/clock.h"
#include "node/store/store.h"
#include "node/trust/cert.h"

#define DATES_STEP_S 3600 /* the date is written down when it is so much later than last time */

/* The date for the next start (date_file.h). Not while the data directory is not ours. */
void dates_write_down(struct date_floor *floor, struct store *store, const char *data_dir,
                      int64_t step_s);
/* Nobody looks at a certificate until it has ended, and then the node is out. */
void dates_warn_of_expiry(const struct cert *cert);

#endif
