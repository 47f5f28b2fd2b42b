/* zone.h - what this machine fails together with, as far as it can know by itself.
 *
 * Fragments of one pack are spread over zones, so machines that are only parts of one must not look
 * like two. To take too much for one zone costs some balance, because zones that are too few are
 * filled evenly; to take too little can cost data. What can be found out, in this order:
 *
 *   1  what the operator wrote into the chassis' asset tag (a hypervisor's setting of the VM):
 *      "ecbak-zone:NAME" is the zone NAME
 *   2  in a VM, the physical host, where the hypervisor tells it (Hyper-V does): "host-" and 8 digits
 *   3  in another VM nobody knows what it shares a host with, so it may be each VM of its network:
 *      "lan-" and 8 digits, the same for all VMs of one network. That is the network of the address
 *      towards the world; of a mask longer than /24 its /24, of IPv6 the /48, which is a site's.
 *      A mask of /31 or /32 is a line to a router and says nothing: then, and without an address, all
 *      such VMs are the one zone "vm"
 *   4  in a container in a VM the same as the VM, as far as it can see it: the network of the address
 *      at which others reach it, since its own may be a bridge that only the VM has. Where its ports
 *      are published by the VM, that is the VM's network, if that is a /24 or smaller; where it is not
 *      configured yet, it is "vm"
 *   5  on other machines the id that the hardware has: "host-" and 8 digits, the same for a host and
 *      for the containers on it, for as long as the hardware lives. Only root may read it, as whom
 *      `ecbakd --init` usually runs; ids that a vendor gave to all its boards do not count
 *   6  in a container that may not read it, the host's boot id: "host-" and 8 digits too, the same
 *      for all such containers of one host, until it starts anew
 *   7  this machine's own id: "machine-" and 8 digits
 *
 * What it cannot know: that machines share a room, or VMs of two networks a host; that a host fails
 * together with the VMs on it, and with containers that may not read its hardware's id. Whoever knows
 * says it, with `zone` in the configuration.
 *
 * A zone is in force when it is in the node's certificate: what is found out later changes nothing
 * until the next request is signed.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_CONFIG_ZONE_H
#define ECBAK_NODE_CONFIG_ZONE_H

#include <stdbool.h>

#include "node/config/zone_hints.h"
#include "node/trust/cert.h"

#define ZONE_UNSAID   "auto" /* the configuration's word for: find out */
#define ZONE_WHY_SIZE 512

struct zone {
    char name[CERT_NAME_MAX + 1];
    char why[ZONE_WHY_SIZE]; /* what it is and how it was found, without a full stop */
};

/* Pure: the same hints give the same zone; "default" when they say nothing. */
void zone_from_hints(struct zone *zone, const struct zone_hints *hints);

#endif
