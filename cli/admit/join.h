/* join.h - this machine becomes a member, with a ticket.
 *
 *   Order    configuration, keys (`ecbakd --init`), the inviter's signature, certificate and
 *            authority on disk, configuration with seeds, "done". Cut off anywhere, it is run again
 *            with the same ticket (while its inviter runs) or a new one, and takes up what is there
 *   Errors   ERR_KEY a ticket that is bad, expired or used; ERR_EXISTS a configuration or a
 *            certificate that would be overwritten; ERR_TIMEOUT nobody answers
 *   Memory   borrows its options
 *   Threads  one
 */
#ifndef ECBAK_CLI_ADMIT_JOIN_H
#define ECBAK_CLI_ADMIT_JOIN_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/admit/ticket.h"

#define JOIN_CONFIG_DEFAULT "/etc/ecbak/ecbakd.conf"
#define JOIN_PATH_MAX       1024

struct join_options {
    const struct ticket *ticket;
    const char *config;                                        /* a path */
    const char *name, *zone, *advertise, *capacity, *data_dir; /* NULL: not said */
    const char *const *settings;                               /* KEY=VALUE for the configuration */
    size_t setting_count;
    bool force;
    void (*tell)(const char *what); /* told what takes longer than a moment */
};

struct joined {
    struct cert cert;
    char advertise[TICKET_ADDRESS_SIZE];
    size_t seed_count;
};

int join_cluster(const struct join_options *options, struct joined *joined,
                 struct err *err) MUST_CHECK;

#endif
