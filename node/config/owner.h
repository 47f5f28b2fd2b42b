/* owner.h - whose a node's files are. The service runs as a user of its own; what root makes or runs
 * by hand must not get in its way.
 *
 *   Errors   ERR_DENIED, the text saying who owns what and what to run
 *   Threads  the main one, before any other was started
 */
#ifndef ECBAK_NODE_CONFIG_OWNER_H
#define ECBAK_NODE_CONFIG_OWNER_H

#include "coding/base/err.h"

/* Before making key_file (or one beside it) and data_dir: root turns for good into the owner of
 * key_file's folder, so that what is made is the owner's. A data_dir that is not there, in a folder of
 * root's, is made here for the owner to fill. Does nothing when we are not root, or where root owns
 * the folder. */
int owner_become(const char *key_file, const char *data_dir, struct err *err) MUST_CHECK;

/* Before serving: refuses when key_file belongs to another user than the one that would serve, root or
 * not. A file that is not there is fine. */
int owner_check(const char *key_file, struct err *err) MUST_CHECK;

#endif
