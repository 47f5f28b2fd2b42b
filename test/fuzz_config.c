/* Any text as a configuration: refused with a place, or read into bounded strings. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct err err = ERR_INIT;
    if (config_parse(&config, (const char *)data, size, "fuzz", &err) != 0) {
        if (strncmp(err.text, "fuzz:", 5) != 0)
            abort();
        return 0;
    }
    if (config.seed_count > CONFIG_SEEDS_MAX || config.client_jobs == 0 ||
        memchr(config.name, '\0', sizeof(config.name)) == NULL ||
        memchr(config.client_endpoint, '\0', sizeof(config.client_endpoint)) == NULL)
        abort();
    return 0;
}
