/* Loading, refusing and the sample all follow from the table in config_keys.c. */
#include "node/config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <czmq.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/common/durable.h"
#include "node/config/config_keys.h"
#include "node/config/config_lines.h"
#include "node/trust/cert.h"

/* What of the machine's host name may be a node's name, up to its first dot. */
static void host_name(char name[32])
{
    char host[256] = "";
    size_t used = 0;
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    for (const char *at = host; *at != '\0' && *at != '.' && used < CERT_NAME_MAX; at++) {
        char one[2] = {*at, '\0'};
        name[used++] = cert_name_valid(one) ? *at : '-';
    }
    name[used] = '\0';
    if (used == 0)
        snprintf(name, 32, "node");
}

static void advertise_somewhere(struct config *config)
{
    if (config->advertise_address[0] == '\0')
        memcpy(config->advertise_address, config->listen_address,
               sizeof(config->advertise_address));
}

void config_defaults(struct config *config)
{
    char name[32] = "";
    memset(config, 0, sizeof(*config));
    host_name(name);
    config->protocol = PROTOCOL_OURS;
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        bool set = config_key_set(config, &config_keys[i],
                                  config_keys[i].standard != NULL ? config_keys[i].standard : name);
        assert(set);
    }
    advertise_somewhere(config);
}

struct config_source {
    const char *origin;
    struct config_lines lines;
    size_t next; /* item */
    unsigned given[CONFIG_KEYS];
};

static unsigned next_line(struct config_source *source)
{
    return source->next < source->lines.count ? source->lines.number[source->next++] : 0;
}

static bool read_key(uint8_t key[32], const char *text)
{
    char padded[41];
    if (hex_decode(key, 32, text) == 0)
        return true;
    if (strlen(text) != 40)
        return false;
    memcpy(padded, text, sizeof(padded));
    return zmq_z85_decode(key, padded) != NULL;
}

/* host:port */
static bool is_address(const char *text)
{
    uint64_t port;
    const char *colon = strrchr(text, ':');
    return colon != NULL && colon != text && config_is_host(text) &&
           config_read_number(colon + 1, false, &port) && port >= 1 && port <= 65535;
}

static int read_seed(struct config *config, struct config_source *source, zconfig_t *item,
                     unsigned line, struct err *err)
{
    struct config_seed *seed = &config->seeds[config->seed_count];
    bool address = false, key = false;
    if (config->seed_count == CONFIG_SEEDS_MAX)
        return err_set(err, ERR_FORMAT, "%s:%u: more than %d seeds", source->origin, line,
                       CONFIG_SEEDS_MAX);
    for (zconfig_t *at = zconfig_child(item); at != NULL; at = zconfig_next(at)) {
        const char *name = zconfig_name(at), *text = zconfig_value(at);
        unsigned here = next_line(source);
        if (zconfig_child(at) != NULL || (strcmp(name, "address") != 0 && strcmp(name, "key") != 0))
            return err_set(err, ERR_FORMAT, "%s:%u: a seed has address and key, nothing else",
                           source->origin, here);
        bool *seen = strcmp(name, "address") == 0 ? &address : &key;
        if (*seen)
            return err_set(err, ERR_FORMAT, "%s:%u: this seed's %s is given twice", source->origin,
                           here, name);
        *seen = true;
        if (seen == &address && (strlen(text) >= sizeof(seed->address) || !is_address(text)))
            return err_set(err, ERR_FORMAT,
                           "%s:%u: address is \"%.64s\", allowed is host:port, port 1 to 65535",
                           source->origin, here, text);
        if (seen == &address)
            memcpy(seed->address, text, strlen(text));
        else if (!read_key(seed->curve_public, text))
            return err_set(err, ERR_FORMAT,
                           "%s:%u: key is \"%.80s\", allowed are 64 hexadecimal digits, or 40 "
                           "characters of Z85 in quotes",
                           source->origin, here, text);
    }
    if (!address || !key)
        return err_set(err, ERR_FORMAT, "%s:%u: this seed needs address and key", source->origin,
                       line);
    config->seed_count++;
    return 0;
}

static int read_item(struct config *config, struct config_source *source, zconfig_t *item,
                     struct err *err)
{
    const char *name = zconfig_name(item), *text = zconfig_value(item);
    unsigned line = next_line(source);
    char range[CONFIG_ALLOWED_MAX];
    size_t i = 0;
    if (strcmp(name, "seed") == 0 && text[0] == '\0')
        return read_seed(config, source, item, line, err);
    while (i < CONFIG_KEYS && strcmp(name, config_keys[i].name) != 0)
        i++;
    if (i == CONFIG_KEYS)
        return err_set(err, ERR_FORMAT,
                       "%s:%u: unknown key \"%.64s\" (`ecbakd --print-config` shows all)",
                       source->origin, line, name);
    if (zconfig_child(item) != NULL)
        return err_set(err, ERR_FORMAT, "%s:%u: \"%s\" is a value, not a section", source->origin,
                       line, name);
    if (source->given[i] != 0)
        return err_set(err, ERR_FORMAT, "%s:%u: \"%s\" was given on line %u already",
                       source->origin, line, name, source->given[i]);
    source->given[i] = line;
    if (!config_key_set(config, &config_keys[i], text))
        return err_set(err, ERR_FORMAT, "%s:%u: %s is \"%.64s\", allowed: %s", source->origin, line,
                       name, text, config_key_allowed(&config_keys[i], range));
    return 0;
}

/* The line of a key, 0 when the file does not have it. */
static unsigned line_of(const struct config_source *source, const char *name)
{
    for (size_t i = 0; i < CONFIG_KEYS; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            return source->given[i];
    return 0;
}

static int check_ports(const struct config *config, const struct config_source *source,
                       struct err *err)
{
    unsigned member = line_of(source, "member_port"), bulk = line_of(source, "bulk_port");
    if (config->member_port == config->bulk_port)
        return err_set(err, ERR_FORMAT,
                       "%s:%u: member_port and bulk_port are both %u: they must differ",
                       source->origin, member > bulk ? member : bulk, config->bulk_port);
    return 0;
}

int config_parse(struct config *config, const char *text, size_t size, const char *origin,
                 struct err *err)
{
    struct config_source source = {.origin = origin};
    int result = 0;
    config_defaults(config);
    memset(config->advertise_address, 0, sizeof(config->advertise_address));
    if (config_lines_read(&source.lines, text, size, origin, err) != 0)
        return -1;
    char *copy = alloc_zero(size + 1, 1);
    memcpy(copy, text, size);
    zconfig_t *root = zconfig_str_load(copy);
    free(copy);
    if (root == NULL) {
        config_lines_release(&source.lines);
        return err_set(err, ERR_FORMAT, "%s: this is no ZPL", origin);
    }
    for (zconfig_t *at = zconfig_child(root); at != NULL && result == 0; at = zconfig_next(at))
        result = read_item(config, &source, at, err);
    zconfig_destroy(&root);
    config_lines_release(&source.lines);
    advertise_somewhere(config);
    if (result == 0)
        result = check_ports(config, &source, err);
    return result;
}

int config_load(struct config *config, const char *path, struct err *err)
{
    uint8_t *bytes;
    size_t size;
    if (durable_read(path, CONFIG_SIZE_MAX, &bytes, &size, err) != 0)
        return -1;
    int result = config_parse(config, (const char *)bytes, size, path, err);
    free(bytes);
    return result;
}

static void print_help(FILE *to, const char *help)
{
    while (*help != '\0') {
        int length = (int)strcspn(help, "\n");
        fprintf(to, "# %.*s\n", length, help);
        help += length + (help[length] == '\n');
    }
}

void config_print_sample(FILE *to)
{
    struct config defaults;
    char range[CONFIG_ALLOWED_MAX];
    config_defaults(&defaults);
    fprintf(to, "# ecbakd.conf - configuration of ecbakd (ZPL: sections indented by four spaces).\n"
                "# Every key with its default. No secret belongs in here.\n");
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        const struct config_key *key = &config_keys[i];
        const char *value = key->standard != NULL ? key->standard : defaults.name;
        fprintf(to, "\n");
        print_help(to, key->help);
        fprintf(to, "# Allowed: %s.\n", config_key_allowed(key, range));
        fprintf(to, value[0] == '\0' ? "%s = \"\"\n" : "%s = %s\n", key->name, value);
    }
    fprintf(to,
            "\n# Nodes to ask for the others at start; any one that answers is enough. Repeat the\n"
            "# section for up to %d. key is the CURVE key in that node's certificate\n"
            "# (hexadecimal, or Z85 in quotes).\n"
            "# seed\n#     address = 192.0.2.10:7411\n#     key = \"...\"\n",
            CONFIG_SEEDS_MAX);
}
