/* ports.h - TCP ports of the loopback that nobody uses.
 *
 *   Errors   ERR_FULL no such run of ports; the text says between which
 *   Threads  any
 */
#ifndef ECBAK_CLI_LAB_PORTS_H
#define ECBAK_CLI_LAB_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

/* A run of `count` free ports, the first picked at random so that labs made at the same time
 * differ. They are free now; nothing keeps them so until they are bound. */
int ports_free(uint16_t *ports, size_t count, struct err *err) MUST_CHECK;

#endif
