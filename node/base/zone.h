/* zone.h - what this machine fails together with, as far as it can know by itself.
 *
 * Fragments of one pack are spread over zones, so machines that are only parts of one must not look
 * like two. What can be found out, in this order:
 *
 *   1  what the operator wrote into the chassis' asset tag (a hypervisor's setting of the VM):
 *      "ecbak-zone:NAME" is the zone NAME
 *   2  the id that the (virtual) hardware has: "host-" and 8 digits, the same for a host and for
 *      the containers on it, for as long as the hardware lives. Only root may read it, as whom
 *      `ecbakd --init` usually runs; ids that a vendor gave to all its boards do not count
 *   3  in a container that may not read it, the host's boot id: "host-" and 8 digits too, the same
 *      for all such containers of one host, until it starts anew
 *   4  this machine's own id: "machine-" and 8 digits
 *
 * What it cannot know: that VMs share a host, or machines a room; and that a host fails together
 * with containers that may not read its hardware's id. Whoever knows says it, with `zone` in the
 * configuration.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_BASE_ZONE_H
#define ECBAK_NODE_BASE_ZONE_H

#include <stdbool.h>

#include "node/api/cert.h"

#define ZONE_UNSAID    "auto" /* the configuration's word for: find out */
#define ZONE_HINT_SIZE 128

/* Empty texts: not known. */
struct zone_hints {
    char asset_tag[ZONE_HINT_SIZE];
    char product_uuid[ZONE_HINT_SIZE];
    bool in_container;
    char boot_id[ZONE_HINT_SIZE];
    char machine_id[ZONE_HINT_SIZE];
};

/* Pure: the same hints give the same zone; "default" when they say nothing. */
void zone_from_hints(char zone[CERT_NAME_MAX + 1], const struct zone_hints *hints);
/* Of the machine that it runs on. */
void zone_here(char zone[CERT_NAME_MAX + 1]);

#endif
