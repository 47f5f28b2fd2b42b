/* join_config.h - the configuration that `ecbak join` writes.
 *
 *   Threads  any
 */
#ifndef ECBAK_CLI_ADMIT_JOIN_CONFIG_H
#define ECBAK_CLI_ADMIT_JOIN_CONFIG_H

#include <stdio.h>

#include "cli/admit/join.h"
#include "cli/admit/join.pb-c.h"

/* Its first line: a configuration that begins so, without a certificate, is half a join. */
#define JOIN_CONFIG_MARK "# Written by ecbak join."

/* What stands beside the configuration: node.cert, authority.pub. */
int join_path(char path[JOIN_PATH_MAX], const char *config, const char *file,
              struct err *err) MUST_CHECK;
/* Writes it, durably, in place of what was there; seeds NULL: not known yet. */
int join_config_write(const struct join_options *options, const char *advertise,
                      const Ecbak__JoinReply *seeds, struct err *err) MUST_CHECK;

#endif
