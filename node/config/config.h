/* config.h - ecbakd's configuration: one ZPL file, every key documented in one table.
 *
 *   Errors   ERR_FORMAT for an unknown key, a bad value or a value out of range: the text has file,
 *            line and the allowed range; ERR_NOT_FOUND without a file
 *   Memory   a plain value; strings are bounded arrays
 *   Threads  any, no state
 */
#ifndef ECBAK_NODE_CONFIG_CONFIG_H
#define ECBAK_NODE_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "coding/base/err.h"
#include "coding/base/protocol.h"

#define CONFIG_PATH_MAX  1024
#define CONFIG_SEEDS_MAX 16
#define CONFIG_SIZE_MAX  (256 * 1024)
#define CONFIG_DEFAULT   "/etc/ecbak/ecbakd.conf"

struct config_seed {
    char address[64];         /* host:port of its membership socket */
    uint8_t curve_public[32]; /* what it must prove */
};

struct config {
    char name[32];
    char zone[32];
    char data_dir[CONFIG_PATH_MAX];
    char key_file[CONFIG_PATH_MAX];         /* node.key */
    char certificate_file[CONFIG_PATH_MAX]; /* one armored line */
    char authority_file[CONFIG_PATH_MAX];   /* authority.pub */
    char listen_address[64];                /* address to bind, e.g. 0.0.0.0 */
    char advertise_address[64]; /* address others reach it at; default: listen_address */
    uint16_t member_port, bulk_port;
    char client_endpoint[256]; /* ipc://... */
    uint64_t capacity_bytes;
    uint32_t sponsor_share; /* percent */
    char profile[8];        /* lan wan local */
    uint32_t client_jobs, peer_jobs;
    uint32_t members_max;
    uint32_t connections_max;
    struct protocol protocol; /* not from the file: what this program speaks; tests set others */
    struct config_seed seeds[CONFIG_SEEDS_MAX];
    size_t seed_count;
};

void config_defaults(struct config *config);
int config_load(struct config *config, const char *path, struct err *err) MUST_CHECK;
/* The same from text in memory; origin is what errors call the file. */
int config_parse(struct config *config, const char *text, size_t size, const char *origin,
                 struct err *err) MUST_CHECK;
/* The documented sample: loading what it prints gives the defaults. */
void config_print_sample(FILE *to);

#endif
