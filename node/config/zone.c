/* Ids are hashed: a zone's name tells whether two ids are equal, and not what they are. */
#include "node/config/zone.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "coding/base/hash.h"

#define TAG              "ecbak-zone:"
#define HARDWARE_ID_SIZE 16
#define V4_BITS_MAX      24 /* a longer mask divides what one host may have all of */
#define V4_LINE_BITS     31 /* and from here on it is no network */
#define V6_BITS          48
#define NETWORK_SIZE     (INET6_ADDRSTRLEN + 4)

__attribute__((format(printf, 2, 3))) static void because(struct zone *zone, const char *format,
                                                          ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(zone->why, sizeof(zone->why), format, args);
    va_end(args);
}

static void hashed(struct zone *zone, const char *kind, const void *id, size_t size)
{
    uint8_t hash[HASH_SIZE];
    char digits[9];
    hash_bytes(hash, "ecbak zone 1", id, size);
    snprintf(zone->name, sizeof(zone->name), "%s-%s", kind, hex_encode(digits, hash, 4));
}

/* ---- the hardware -------------------------------------------------------------------------- */

/* False also for what a vendor left as it was, which would make strangers one zone: a byte repeated
 * (all zeros, all F), and a well-known sample in both orders in which firmware writes it. */
static bool read_hardware_id(uint8_t id[HARDWARE_ID_SIZE], const char *text)
{
    static const uint8_t samples[][HARDWARE_ID_SIZE] = {
        {3, 0, 2, 0, 4, 0, 5, 0, 0, 6, 0, 7, 0, 8, 0, 9},
        {0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9}};
    char digits[2 * HARDWARE_ID_SIZE + 1];
    size_t count = 0;
    for (; *text != '\0' && count < sizeof(digits) - 1; text++)
        if (*text != '-')
            digits[count++] = *text;
    digits[count] = '\0';
    if (*text != '\0' || hex_decode(id, HARDWARE_ID_SIZE, digits) != 0)
        return false;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        if (memcmp(id, samples[i], HARDWARE_ID_SIZE) == 0)
            return false;
    return memcmp(id, id + 1, HARDWARE_ID_SIZE - 1) != 0; /* not each byte is like the next */
}

static void of_hardware(struct zone *zone, const struct zone_hints *hints)
{
    uint8_t hardware[HARDWARE_ID_SIZE]; /* as bytes: kernels write it in capitals or not */
    if (read_hardware_id(hardware, hints->product_uuid)) {
        hashed(zone, "host", hardware, sizeof(hardware));
        because(zone, "made of the id of its hardware, as that of all containers on it");
    } else if (hints->in_container && hints->boot_id[0] != '\0') {
        hashed(zone, "host", hints->boot_id, strlen(hints->boot_id));
        because(zone, "a container that cannot read the id of its host's hardware: made of the "
                      "host's boot id, as that of all such containers on it");
    } else if (hints->machine_id[0] != '\0') {
        hashed(zone, "machine", hints->machine_id, strlen(hints->machine_id));
        because(zone, "made of this machine's own id: that of its hardware says nothing, or cannot "
                      "be read (root can)");
    } else {
        snprintf(zone->name, sizeof(zone->name), "default");
        because(zone, "nothing is known of this machine");
    }
}

/* ---- virtual machines ---------------------------------------------------------------------- */

static bool is_anybodys(const uint8_t *address, size_t size)
{
    static const uint8_t loopback[16] = {[15] = 1}, none[16];
    if (size == 4)
        return address[0] == 0 || address[0] == 127 || address[0] >= 224 ||
               (address[0] == 169 && address[1] == 254);
    return memcmp(address, none, 16) == 0 || memcmp(address, loopback, 16) == 0 ||
           (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) || address[0] == 0xff;
}

/* False when the address says nothing of what is near. */
static bool network_of(char network[NETWORK_SIZE], const struct zone_address *address)
{
    const bool v4 = address->size == 4;
    char text[INET6_ADDRSTRLEN];
    uint8_t prefix[16];
    unsigned bits = v4 ? address->mask_bits : V6_BITS;
    if (address->size == 0 || is_anybodys(address->bytes, address->size) ||
        (v4 && bits >= V4_LINE_BITS))
        return false;
    if (v4 && (bits == 0 || bits > V4_BITS_MAX))
        bits = V4_BITS_MAX;
    memcpy(prefix, address->bytes, sizeof(prefix));
    for (unsigned i = bits; i < 8 * address->size; i++)
        prefix[i / 8] &= (uint8_t)(0xff - (0x80 >> i % 8));
    if (inet_ntop(v4 ? AF_INET : AF_INET6, prefix, text, sizeof(text)) == NULL)
        return false;
    snprintf(network, NETWORK_SIZE, "%s/%u", text, bits);
    return true;
}

static void of_vm(struct zone *zone, const struct zone_hints *hints)
{
    const char *what =
        hints->in_container ? "a container in a virtual machine" : "a virtual machine";
    char network[NETWORK_SIZE];
    if (network_of(network, &hints->address)) {
        hashed(zone, CERT_ZONE_LAN, network, strlen(network));
        because(zone,
                "%s%s in %s; which physical host that runs on cannot be found out, so all virtual "
                "machines of this network count as one zone",
                what, hints->in_container ? " that others reach" : "", network);
        return;
    }
    snprintf(zone->name, sizeof(zone->name), "%s", CERT_ZONE_VM);
    because(zone,
            "%s; neither its physical host nor %s can be found out, so it counts as one zone with "
            "all that are like it",
            what, hints->in_container ? "the network that others reach it in" : "its network");
}

static void of_physical_host(struct zone *zone, const char *host)
{
    char lower[ZONE_HINT_SIZE] = "";
    for (size_t i = 0; host[i] != '\0' && i < sizeof(lower) - 1; i++)
        lower[i] = (char)tolower((unsigned char)host[i]);
    hashed(zone, "host", lower, strlen(lower));
    because(zone, "a virtual machine on %s, as its hypervisor says", host);
}

void zone_from_hints(struct zone *zone, const struct zone_hints *hints)
{
    const char *tag = hints->asset_tag;
    if (strncmp(tag, TAG, strlen(TAG)) == 0 && cert_name_valid(tag + strlen(TAG))) {
        snprintf(zone->name, sizeof(zone->name), "%s", tag + strlen(TAG));
        because(zone, "the chassis' asset tag says so");
    } else if (hints->in_vm && hints->physical_host[0] != '\0') {
        of_physical_host(zone, hints->physical_host);
    } else if (hints->in_vm) {
        of_vm(zone, hints);
    } else {
        of_hardware(zone, hints);
    }
}
