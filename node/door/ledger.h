/* ledger.h - how many bytes of each node are in our memory: requests until they are answered, answers until
 * they are sent.
 *
 *   Limits   one entry a node of which there is something
 *   Threads  any
 */
#ifndef ECBAK_NODE_DOOR_LEDGER_H
#define ECBAK_NODE_DOOR_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

enum ledger_page { LEDGER_REQUESTS, LEDGER_ANSWERS, LEDGER_PAGES };

struct ledger;

struct ledger *ledger_new(void);
void ledger_destroy(struct ledger **ledger);

/* What a node has on a page, and all of them together. */
size_t ledger_read(struct ledger *ledger, const struct node_id *node, enum ledger_page page,
                   size_t *all);
void ledger_add(struct ledger *ledger, const struct node_id *node, enum ledger_page page,
                size_t bytes);
void ledger_take(struct ledger *ledger, const struct node_id *node, enum ledger_page page,
                 size_t bytes);

#endif
