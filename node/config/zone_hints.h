/* zone_hints.h - what a machine shows of itself that tells what it fails together with.
 *
 * Files of the kernel and of the system, and the machine's own addresses; nothing is sent, and no
 * program is run. What cannot be read is empty.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_CONFIG_ZONE_HINTS_H
#define ECBAK_NODE_CONFIG_ZONE_HINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_HINT_SIZE 128

struct zone_address {
    uint8_t bytes[16];
    size_t size;        /* 4 or 16; 0: not known */
    unsigned mask_bits; /* 0: not known */
};

struct zone_hints {
    char asset_tag[ZONE_HINT_SIZE];     /* of the chassis: hypervisors let their operator set it */
    char physical_host[ZONE_HINT_SIZE]; /* its name, where the hypervisor tells its guests */
    char product_uuid[ZONE_HINT_SIZE];  /* of the hardware; only root may read it */
    char boot_id[ZONE_HINT_SIZE];       /* of the kernel that runs */
    char machine_id[ZONE_HINT_SIZE];
    bool in_vm; /* a container in a VM is in both */
    bool in_container;
    struct zone_address address;
};

/* Of the machine that it runs on. The address is asked for in a VM only: the one that packets to the
 * world would come from; in a container there, whose own network is its host's affair, the one at
 * which others reach it, if `advertise` says it in digits. */
void zone_hints_read(struct zone_hints *hints, const char *advertise);

#endif
