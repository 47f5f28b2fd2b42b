/* identity.h - who this node is: its keys, the certificate that names them, and the authority that
 * signed it.
 *
 * Other keys of the same node may wait beside those in use (key_file.next) for a certificate of their
 * own; the first start that finds it makes them the ones in use.
 *
 *   Errors   ERR_NOT_FOUND, ERR_DENIED, ERR_FOREIGN...: the text says which file, and what to run
 *   Threads  the main one, before any other was started
 */
#ifndef ECBAK_NODE_CONFIG_IDENTITY_H
#define ECBAK_NODE_CONFIG_IDENTITY_H

#include <stdint.h>

#include "coding/base/err.h"
#include "node/config/config.h"
#include "node/trust/cert.h"
#include "node/trust/node_keys.h"

struct identity {
    uint8_t authority_public[32];
    struct node_keys *keys;
    struct cert cert;
};

/* Everything checked, also the dates, against a clock that may be wrong: the date's floor is set
 * (node/base/date.h). Release it also on failure. */
int identity_load(struct identity *id, const struct config *config, struct err *err) MUST_CHECK;
void identity_release(struct identity *id);

/* Only the keys in use; a certificate need not be there. */
int identity_keys(struct node_keys **keys, const struct config *config, struct err *err) MUST_CHECK;
/* Those that wait beside them; *next is NULL when none do. ERR_FOREIGN: of another node. */
int identity_keys_waiting(struct node_keys **next, const struct config *config,
                          const struct node_keys *keys, struct err *err) MUST_CHECK;
/* Those that wait, made and saved when none do. */
int identity_keys_renewed(struct node_keys **next, const struct config *config,
                          const struct node_keys *keys, struct err *err) MUST_CHECK;

#endif
