/* up.h - a lab made, started, and waited for.
 *
 *   Errors   ERR_IO with the last line of a node's log when it ended meanwhile; ERR_TIMEOUT
 */
#ifndef ECBAK_CLI_LAB_UP_H
#define ECBAK_CLI_LAB_UP_H

#include <stdint.h>

#include "cli/lab/lab.h"

struct up_options {
    uint64_t nodes;          /* 0: as many as there are, 6 in a new lab */
    const char *profile;     /* NULL: as it is, "local" in a new lab */
    uint64_t capacity_bytes; /* of nodes to be made; 0: as it is, 10 GiB in a new lab */
    uint64_t zones;          /* of nodes to be made; 0: as it is, each its own in a new lab */
    uint64_t timeout_ms;
};

/* Fills lab and holds its lock. ERR_TIMEOUT when not every node sees every other one alive in time;
 * ERR_IO with the last line of a node's log when it ended. */
int lab_up(struct lab *lab, const char *dir, const struct up_options *options,
           struct err *err) MUST_CHECK;

/* Waits until a node that was started answers on its client socket. */
int lab_wait_for_answer(const struct lab *lab, const struct lab_node *node, uint64_t timeout_ms,
                        struct err *err) MUST_CHECK;

#endif
