/* Keys that wait take the place of those in use by one rename: after a crash either both files are
 * there, and the next start does it, or it is done. It comes last, when all else has been checked. */
#include "node/config/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/base/date_file.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/durable.h"
#include "node/trust/authority.h"
#include "node/trust/node_keys.h"

#define CERTIFICATE_FILE_MAX 4096
#define CLOCK_DOUBT_S        86400 /* further back than this, a clock is worth a warning */

/* ---- keys ---------------------------------------------------------------------------------- */

int identity_keys(struct node_keys **keys, const struct config *config, struct err *err)
{
    if (node_keys_load(keys, config->key_file, err) == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND)
        return err_set(
            err, ERR_NOT_FOUND,
            "%s is not there: run `ecbakd --init` first, as the user that ecbakd runs as",
            config->key_file);
    return -1;
}

static void next_path(char path[CONFIG_PATH_MAX + 8], const struct config *config)
{
    snprintf(path, CONFIG_PATH_MAX + 8, "%s.next", config->key_file);
}

int identity_keys_waiting(struct node_keys **next, const struct config *config,
                          const struct node_keys *keys, struct err *err)
{
    char path[CONFIG_PATH_MAX + 8];
    next_path(path, config);
    *next = NULL;
    if (node_keys_load(next, path, err) != 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    if (id_equal(&(*next)->node, &keys->node))
        return 0;
    node_keys_destroy(next);
    return err_set(err, ERR_FOREIGN, "%s is of another node than %s: remove it", path,
                   config->key_file);
}

int identity_keys_renewed(struct node_keys **next, const struct config *config,
                          const struct node_keys *keys, struct err *err)
{
    char path[CONFIG_PATH_MAX + 8];
    if (identity_keys_waiting(next, config, keys, err) != 0)
        return -1;
    if (*next != NULL)
        return 0;
    next_path(path, config);
    *next = node_keys_rotated(keys);
    return node_keys_save(*next, path, err);
}

/* ---- certificate --------------------------------------------------------------------------- */

/* Does the certificate name the keys that wait? Then those are ours now. */
static int take_waiting(struct identity *id, bool *taken, const struct config *config,
                        struct err *err)
{
    *taken = false;
    struct node_keys *next;
    if (!id_equal(&id->cert.node, &id->keys->node) ||
        memcmp(id->cert.curve, id->keys->curve_public, 32) == 0)
        return 0;
    if (identity_keys_waiting(&next, config, id->keys, err) != 0)
        return -1;
    if (next != NULL && memcmp(id->cert.curve, next->curve_public, 32) == 0) {
        struct node_keys *old = id->keys;
        id->keys = next;
        next = old;
        *taken = true;
    }
    node_keys_destroy(&next);
    return 0;
}

static int finish_rotation(const struct config *config, struct err *err)
{
    char path[CONFIG_PATH_MAX + 8];
    next_path(path, config);
    if (durable_rename(path, config->key_file, err) != 0)
        return err_context(err, "putting %s in the place of %s", path, config->key_file);
    log_info("the new key is in use, the old one is gone");
    return 0;
}

static int read_certificate(struct cert *cert, const char *path, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (durable_read(path, CERTIFICATE_FILE_MAX, &bytes, &size, err) != 0) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        return err_set(err, ERR_NOT_FOUND,
                       "%s is not there: have the request that `ecbakd --print-request` prints "
                       "signed with `ecbak authority sign`, and put the answer there",
                       path);
    }
    char line[CERT_ARMOR_MAX] = "";
    size_t length = 0;
    while (length < size && length < sizeof(line) - 1 && bytes[length] > ' ')
        length++;
    memcpy(line, bytes, length);
    free(bytes);
    return cert_unarmor(cert, line, err) == 0 ? 0 : err_context(err, "%s", path);
}

static void date(char text[32], int64_t at_s)
{
    time_t at = (time_t)at_s;
    struct tm tm;
    if (gmtime_r(&at, &tm) == NULL || strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(text, 32, "%" PRId64, at_s);
}

static int check_dates(const struct cert *cert, const struct config *config, struct err *err)
{
    char from[32], to[32], now[32];
    int64_t now_s = wall_s();
    struct err why = ERR_INIT;
    struct date_floor floor;
    date_file_load(&floor, config->data_dir, cert, &why);
    if (why.code != ERR_NONE && why.code != ERR_NOT_FOUND)
        log_warn("starting without the date that was written down: %s", why.text);
    date_set_floor(&floor);
    int64_t date_now_s = date_floor_now(&floor, now_s, 0);
    date(now, now_s);
    date(to, date_now_s);
    date(from, floor.seen_s);
    if (date_now_s != now_s)
        log_warn("this machine's clock says %s, which is before this node had its certificate: "
                 "certificates are checked as of %s until the clock is set",
                 now, to);
    else if (now_s < floor.seen_s - CLOCK_DOUBT_S)
        log_warn("this machine's clock says %s, and has said %s before: was it wrong then, or now?",
                 now, from);
    if (cert_check_dates(cert, date_now_s, &why) == 0)
        return 0;
    date(from, cert->not_before_s);
    date(to, cert->not_after_s);
    return err_set(
        err, ERR_DENIED,
        "%s is valid from %s to %s, and this machine's clock says %s: set the clock, or "
        "have a new certificate signed (`ecbakd --print-request`, `ecbak authority sign`)",
        config->certificate_file, from, to, now);
}

static int load_certificate(struct identity *id, const struct config *config, struct err *err)
{
    bool rotates;
    if (authority_public_load(config->authority_file, id->authority_public, err) != 0) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        return err_set(err, ERR_NOT_FOUND,
                       "%s is not there: copy authority.pub of your cluster's authority there",
                       config->authority_file);
    }
    if (read_certificate(&id->cert, config->certificate_file, err) != 0)
        return -1;
    if (cert_check(&id->cert, id->authority_public, err) != 0)
        return err_context(err, "%s, against %s", config->certificate_file, config->authority_file);
    if (take_waiting(id, &rotates, config, err) != 0)
        return -1;
    if (!id_equal(&id->cert.node, &id->keys->node) ||
        memcmp(id->cert.curve, id->keys->curve_public, 32) != 0)
        return err_set(
            err, ERR_FOREIGN,
            "%s is of another node (%s) than the key in %s: have this node's own request "
            "signed (`ecbakd --print-request`)",
            config->certificate_file, id->cert.name, config->key_file);
    if (check_dates(&id->cert, config, err) != 0)
        return -1;
    return rotates ? finish_rotation(config, err) : 0;
}

int identity_load(struct identity *id, const struct config *config, struct err *err)
{
    *id = (struct identity){.keys = NULL};
    if (identity_keys(&id->keys, config, err) != 0)
        return -1;
    return load_certificate(id, config, err);
}

void identity_release(struct identity *id)
{
    node_keys_destroy(&id->keys);
}
