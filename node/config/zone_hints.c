/* systemd-detect-virt knows more kinds of virtual machines, but is not in every container's image, and
 * this program starts no other. It is enough to be right about whether there is a hypervisor. */
#include "node/config/zone_hints.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/hyperv.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DMI "/sys/class/dmi/id/"

/* The first line of a small file, without white space at its end; empty when it cannot be read. */
static void read_hint(char to[ZONE_HINT_SIZE], const char *path)
{
    FILE *in = fopen(path, "re");
    to[0] = '\0';
    if (in == NULL)
        return;
    if (fgets(to, ZONE_HINT_SIZE, in) == NULL)
        to[0] = '\0';
    fclose(in);
    size_t length = strlen(to);
    while (length > 0 && (unsigned char)to[length - 1] <= ' ')
        to[--length] = '\0';
}

/* ---- a container, a virtual machine -------------------------------------------------------- */

/* What systemd, Podman, Docker, LXD and Kubernetes leave for whoever wants to know. */
static bool is_container(void)
{
    static const char *const marks[] = {
        "/run/systemd/container", "/run/.containerenv", "/.dockerenv",
        "/dev/.lxd-mounts",       "/dev/lxd/sock",      "/run/secrets/kubernetes.io"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (access(marks[i], F_OK) == 0)
            return true;
    return false;
}

enum answer { NO, YES, UNSAID };

/* An x86 processor has a flag for it. Xen's first domain has it too: it counts as one of the VMs on
 * its hardware, which is what it fails together with. */
static enum answer processor_is_virtual(void)
{
    FILE *in = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t room = 0;
    enum answer answer = UNSAID;
    while (in != NULL && answer == UNSAID && getline(&line, &room, in) > 0)
        if (strncmp(line, "flags", 5) == 0)
            answer = strstr(line, " hypervisor") != NULL ? YES : NO;
    free(line);
    if (in != NULL)
        fclose(in);
    return answer;
}

/* Other processors have none: firmware of hypervisors says what it is, with SMBIOS or in a device
 * tree. Boards that have neither are no VMs. */
static bool firmware_is_virtual(void)
{
    static const char *const files[] = {DMI "sys_vendor", DMI "product_name",
                                        "/proc/device-tree/compatible"};
    static const char *const words[] = {"QEMU",       "KVM",
                                        "Virtual",    "VMware",
                                        "Xen",        "HVM",
                                        "OpenStack",  "vServer",
                                        "Droplet",    "KubeVirt",
                                        "Alibaba",    "Google Compute",
                                        "Amazon EC2", "linux,dummy-virt"};
    char text[ZONE_HINT_SIZE];
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        read_hint(text, files[i]);
        for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++)
            if (strstr(text, words[j]) != NULL)
                return true;
    }
    return access("/proc/device-tree/hypervisor", F_OK) == 0;
}

static bool is_vm(void)
{
    enum answer answer = processor_is_virtual();
    return answer == UNSAID ? firmware_is_virtual() : answer == YES;
}

/* ---- the physical host --------------------------------------------------------------------- */

/* Hyper-V tells its guests; their daemon (hv_kvp_daemon, of hyperv-daemons) writes it down: records
 * of a key and a value, both filled up with zeros. A copied disk may have the file elsewhere too. */
static void read_physical_host(char to[ZONE_HINT_SIZE])
{
    char vendor[ZONE_HINT_SIZE];
    char record[HV_KVP_EXCHANGE_MAX_KEY_SIZE + HV_KVP_EXCHANGE_MAX_VALUE_SIZE];
    const char *value = record + HV_KVP_EXCHANGE_MAX_KEY_SIZE;
    to[0] = '\0';
    read_hint(vendor, DMI "sys_vendor");
    FILE *in = strcmp(vendor, "Microsoft Corporation") == 0
                   ? fopen("/var/lib/hyperv/.kvp_pool_3", "re")
                   : NULL;
    while (in != NULL && to[0] == '\0' && fread(record, sizeof(record), 1, in) == 1)
        if (strncmp(record, "PhysicalHostNameFullyQualified", HV_KVP_EXCHANGE_MAX_KEY_SIZE) == 0)
            snprintf(to, ZONE_HINT_SIZE, "%.*s", ZONE_HINT_SIZE - 1, value);
    if (in != NULL)
        fclose(in);
}

/* ---- the network --------------------------------------------------------------------------- */

static bool take_address(struct zone_address *address, const struct sockaddr *from)
{
    if (from->sa_family == AF_INET) {
        address->size = 4;
        memcpy(address->bytes, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        address->size = 16;
        memcpy(address->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
    } else {
        return false;
    }
    return true;
}

static bool source_towards(struct zone_address *address, const struct sockaddr *world,
                           socklen_t size)
{
    struct sockaddr_storage own = {0};
    socklen_t own_size = sizeof(own);
    int fd = socket(world->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool found = fd >= 0 && connect(fd, world, size) == 0 &&
                 getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
                 take_address(address, (const struct sockaddr *)&own);
    if (fd >= 0)
        close(fd);
    return found;
}

/* Addresses for documents, where the default route leads; connecting such a socket sends nothing. */
static void find_address(struct zone_address *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    if (!source_towards(address, (const struct sockaddr *)&v4, sizeof(v4)))
        (void)source_towards(address, (const struct sockaddr *)&v6, sizeof(v6));
}

static void read_digits(struct zone_address *address, const char *text)
{
    if (inet_pton(AF_INET, text, address->bytes) == 1)
        address->size = 4;
    else if (inet_pton(AF_INET6, text, address->bytes) == 1)
        address->size = 16;
}

/* It stays 0 for an address that is none of this machine's. */
static void find_mask(struct zone_address *address)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        struct zone_address own = {0}, mask = {0};
        if (one->ifa_addr == NULL || one->ifa_netmask == NULL ||
            !take_address(&own, one->ifa_addr) || !take_address(&mask, one->ifa_netmask) ||
            own.size != address->size || memcmp(own.bytes, address->bytes, own.size) != 0)
            continue;
        address->mask_bits = 0;
        for (size_t i = 0; i < mask.size; i++)
            address->mask_bits += (unsigned)__builtin_popcount(mask.bytes[i]);
    }
    freeifaddrs(all);
}

void zone_hints_read(struct zone_hints *hints, const char *advertise)
{
    *hints = (struct zone_hints){.in_vm = is_vm(), .in_container = is_container()};
    read_hint(hints->asset_tag, DMI "chassis_asset_tag");
    read_hint(hints->product_uuid, DMI "product_uuid");
    read_hint(hints->boot_id, "/proc/sys/kernel/random/boot_id");
    read_hint(hints->machine_id, "/etc/machine-id");
    if (!hints->in_vm)
        return;
    read_physical_host(hints->physical_host);
    if (hints->in_container)
        read_digits(&hints->address, advertise);
    else
        find_address(&hints->address);
    if (hints->address.size > 0)
        find_mask(&hints->address);
}
