/* Ids are hashed: they are nobody's business beyond being equal or not. */
#include "node/base/zone.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "coding/base/hash.h"

#define TAG              "ecbak-zone:"
#define HARDWARE_ID_SIZE 16

static void hashed(char zone[CERT_NAME_MAX + 1], const char *kind, const void *id, size_t size)
{
    uint8_t hash[HASH_SIZE];
    char digits[9];
    hash_bytes(hash, "ecbak zone 1", id, size);
    snprintf(zone, CERT_NAME_MAX + 1, "%s-%s", kind, hex_encode(digits, hash, 4));
}

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

void zone_from_hints(char zone[CERT_NAME_MAX + 1], const struct zone_hints *hints)
{
    const char *tag = hints->asset_tag;
    uint8_t hardware[HARDWARE_ID_SIZE]; /* as bytes: kernels write it in capitals or not */
    if (strncmp(tag, TAG, strlen(TAG)) == 0 && cert_name_valid(tag + strlen(TAG)))
        snprintf(zone, CERT_NAME_MAX + 1, "%s", tag + strlen(TAG));
    else if (read_hardware_id(hardware, hints->product_uuid))
        hashed(zone, "host", hardware, sizeof(hardware));
    else if (hints->in_container && hints->boot_id[0] != '\0')
        hashed(zone, "host", hints->boot_id, strlen(hints->boot_id));
    else if (hints->machine_id[0] != '\0')
        hashed(zone, "machine", hints->machine_id, strlen(hints->machine_id));
    else
        snprintf(zone, CERT_NAME_MAX + 1, "default");
}

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

/* What systemd, Podman, Docker and LXD leave for whoever wants to know. */
static bool is_container(void)
{
    static const char *const marks[] = {"/run/systemd/container", "/run/.containerenv",
                                        "/.dockerenv", "/dev/.lxd-mounts", "/dev/lxd/sock"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (access(marks[i], F_OK) == 0)
            return true;
    return false;
}

void zone_here(char zone[CERT_NAME_MAX + 1])
{
    struct zone_hints hints = {.in_container = is_container()};
    read_hint(hints.asset_tag, "/sys/class/dmi/id/chassis_asset_tag");
    read_hint(hints.product_uuid, "/sys/class/dmi/id/product_uuid");
    read_hint(hints.boot_id, "/proc/sys/kernel/random/boot_id");
    read_hint(hints.machine_id, "/etc/machine-id");
    zone_from_hints(zone, &hints);
}
