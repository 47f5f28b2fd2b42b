/* Every value in quotes, and no value with a quote or a control character in it: what is written is
 * what is read. Whether a value makes sense is ecbakd's to say. */
#include "cli/admit/join_config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "node/common/durable.h"

/* Where the package has a node's key. A machine without that folder (no package, no root) has the key
 * beside the certificate. */
#define KEY_FOLDER_USUAL "/var/lib/ecbak"

int join_path(char path[JOIN_PATH_MAX], const char *config, const char *file, struct err *err)
{
    const char *slash = strrchr(config, '/');
    if (config[0] != '/')
        return err_set(err, ERR_USAGE, "the configuration needs an absolute path, not '%s'",
                       config);
    int folder = (int)(slash - config);
    return snprintf(path, JOIN_PATH_MAX, "%.*s/%s", folder, config, file) < JOIN_PATH_MAX
               ? 0
               : err_set(err, ERR_USAGE, "the path '%.64s...' is too long", config);
}

static int print(FILE *out, const char *key, const char *value, struct err *err)
{
    for (const char *c = value; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == '"' || *c == 0x7f)
            return err_set(err, ERR_USAGE, "the value of %s has a character that cannot be in it",
                           key);
    fprintf(out, "%s = \"%s\"\n", key, value);
    return 0;
}

static int print_setting(FILE *out, const char *setting, struct err *err)
{
    char key[64];
    const char *equals = strchr(setting, '=');
    size_t length = equals != NULL ? (size_t)(equals - setting) : 0;
    if (length == 0 || length >= sizeof(key) ||
        strspn(setting, "abcdefghijklmnopqrstuvwxyz_") != length)
        return err_set(err, ERR_USAGE,
                       "--set takes KEY=VALUE with a key of ecbakd.conf(5), not '%s'", setting);
    memcpy(key, setting, length);
    key[length] = '\0';
    return print(out, key, equals + 1, err);
}

static int print_all(FILE *out, const struct join_options *o, const char *advertise,
                     const Ecbak__JoinReply *seeds, struct err *err)
{
    char certificate[JOIN_PATH_MAX], authority[JOIN_PATH_MAX], node_key[JOIN_PATH_MAX];
    bool own_key = access(KEY_FOLDER_USUAL, F_OK) != 0;
    for (size_t i = 0; i < o->setting_count; i++)
        own_key = own_key && strncmp(o->settings[i], "key_file=", strlen("key_file=")) != 0;
    const char *name = o->ticket->name[0] != '\0' ? o->ticket->name : o->name;
    const char *zone = o->ticket->zone[0] != '\0' ? o->ticket->zone : o->zone;
    const struct {
        const char *key, *value;
    } values[] = {{"name", name},
                  {"zone", zone},
                  {"data_dir", o->data_dir},
                  {"capacity", o->capacity},
                  {"key_file", own_key ? node_key : NULL},
                  {"certificate_file", certificate},
                  {"authority_file", authority},
                  {"advertise_address", advertise}};
    if (join_path(node_key, o->config, "node.key", err) != 0 ||
        join_path(certificate, o->config, "node.cert", err) != 0 ||
        join_path(authority, o->config, "authority.pub", err) != 0)
        return -1;
    fprintf(out, JOIN_CONFIG_MARK
            "\n"
            "# `ecbakd --print-config` shows all that can be set, with defaults and reasons.\n");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (values[i].value != NULL && print(out, values[i].key, values[i].value, err) != 0)
            return -1;
    for (size_t i = 0; i < o->setting_count; i++)
        if (print_setting(out, o->settings[i], err) != 0)
            return -1;
    for (size_t i = 0; seeds != NULL && i < seeds->n_seeds; i++) {
        char key[65];
        fputs("seed\n    ", out);
        if (print(out, "address", seeds->seeds[i]->address, err) != 0)
            return -1;
        fprintf(out, "    key = \"%s\"\n", hex_encode(key, seeds->seeds[i]->key.data, 32));
    }
    return 0;
}

int join_config_write(const struct join_options *options, const char *advertise,
                      const Ecbak__JoinReply *seeds, struct err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return err_errno(err, "writing %s", options->config);
    int result = print_all(out, options, advertise, seeds, err);
    if (fclose(out) != 0 && result == 0)
        result = err_errno(err, "writing %s", options->config);
    const struct durable_piece piece = {text, size};
    if (result == 0)
        result = durable_write(options->config, &piece, 1, 0644, DURABLE_REPLACE, err);
    free(text);
    return result;
}
