/* config_keys.h - the table of all configuration keys, and what a value may be.
 *
 *   Threads  any, no state
 */
#ifndef ECBAK_NODE_CONFIG_CONFIG_KEYS_H
#define ECBAK_NODE_CONFIG_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/config/config.h"

enum config_type {
    TYPE_NAME,     /* as in a certificate */
    TYPE_PATH,     /* absolute */
    TYPE_HOST,     /* address or host name */
    TYPE_ENDPOINT, /* ipc:///path */
    TYPE_PROFILE,  /* lan wan local */
    TYPE_PORT,     /* uint16_t */
    TYPE_COUNT,    /* uint32_t */
    TYPE_SIZE,     /* uint64_t, bytes, with suffixes */
};

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset, size;  /* of the field in struct config */
    uint64_t min, max;    /* of a number */
    const char *standard; /* the default; NULL: see config_defaults */
    const char *help;     /* lines for the sample */
};

#define CONFIG_KEYS        18
#define CONFIG_ALLOWED_MAX 128
extern const struct config_key config_keys[CONFIG_KEYS];

/* What a key may be, for people; text is room for it. */
const char *config_key_allowed(const struct config_key *key, char text[CONFIG_ALLOWED_MAX]);
/* Sets the key's field from text; false, and nothing is set, when that is not allowed. */
bool config_key_set(struct config *config, const struct config_key *key, const char *text);

/* Decimal digits, and one of K M G T P where a suffix may be; false unless it is all of the text and
 * fits. */
bool config_read_number(const char *text, bool suffix, uint64_t *value);
/* Only characters of addresses and host names; also when empty. */
bool config_is_host(const char *text);

#endif
