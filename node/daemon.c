/* Signals are blocked before the first thread starts and read from a descriptor, so no code of ours
 * ever runs in a handler. */
#include "node/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "coding/rs.h"
#include "node/api/cert.h"
#include "node/api/durable.h"
#include "node/base/clock.h"
#include "node/base/clock_file.h"
#include "node/base/log.h"
#include "node/base/notify.h"
#include "node/base/owner.h"
#include "node/base/zone.h"
#include "node/service/service.h"
#include "node/store/store.h"

#define CERTIFICATE_FILE_MAX 4096
#define WATCH_MS_MAX         30000
#define CLOCK_DOUBT_S        86400 /* further back than this, a clock is worth a warning */

struct daemon {
    const struct config *config;
    bool rotates; /* the keys that waited are the certificate's: they take the others' place */
    uint8_t authority_public[32];
    struct node_keys *keys;
    struct cert cert;
    struct store *store;
    struct service *service;
    int signals;
};

/* ---- the process --------------------------------------------------------------------------- */

/* Buffers of packs and fragments come and go by the dozen: had from the system each time, their
 * page faults cost as much as all hashing. So they are kept while the node works, and given back
 * when it rests (keeper.c). One arena: the threads mostly wait. */
static void bound_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 512 * 1024 * 1024);
    mallopt(M_ARENA_MAX, 1);
}

static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("the limit of open files stays as it was: %s", strerror(errno));
}

static int open_signals(struct daemon *d, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return err_errno(err, "blocking signals");
    d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return d->signals < 0 ? err_errno(err, "opening a signalfd") : 0;
}

/* ---- who we are ---------------------------------------------------------------------------- */

static int load_keys(struct daemon *d, struct err *err)
{
    if (node_keys_load(&d->keys, d->config->key_file, err) == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND)
        return err_set(
            err, ERR_NOT_FOUND,
            "%s is not there: run `ecbakd --init` first, as the user that ecbakd runs as",
            d->config->key_file);
    return -1;
}

/* ---- keys that wait for their certificate -------------------------------------------------- */

static int next_path(char path[CONFIG_PATH_MAX + 8], const struct config *config)
{
    return snprintf(path, CONFIG_PATH_MAX + 8, "%s.next", config->key_file);
}

/* *next is NULL when none wait. Keys of another identity are none of this node's. */
static int load_next(struct node_keys **next, const struct config *config,
                     const struct node_keys *keys, struct err *err)
{
    char path[CONFIG_PATH_MAX + 8];
    next_path(path, config);
    *next = NULL;
    if (node_keys_load(next, path, err) != 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    if (memcmp((*next)->node, keys->node, CERT_ID_SIZE) == 0)
        return 0;
    node_keys_destroy(next);
    return err_set(err, ERR_FOREIGN, "%s is of another node than %s: remove it", path,
                   config->key_file);
}

/* Does the certificate name the keys that wait? Then those are ours now; on disk they move when
 * nothing else speaks against starting. */
static int take_next(struct daemon *d, struct err *err)
{
    struct node_keys *next;
    if (memcmp(d->cert.node, d->keys->node, CERT_ID_SIZE) != 0 ||
        memcmp(d->cert.curve, d->keys->curve_public, 32) == 0)
        return 0;
    if (load_next(&next, d->config, d->keys, err) != 0)
        return -1;
    if (next != NULL && memcmp(d->cert.curve, next->curve_public, 32) == 0) {
        struct node_keys *old = d->keys;
        d->keys = next;
        next = old;
        d->rotates = true;
    }
    node_keys_destroy(&next);
    return 0;
}

/* One rename: after a crash either both files are there, and the next start does it, or it is
 * done. */
static int finish_rotation(const struct daemon *d, struct err *err)
{
    char path[CONFIG_PATH_MAX + 8], folder[CONFIG_PATH_MAX];
    if (!d->rotates)
        return 0;
    next_path(path, d->config);
    snprintf(folder, sizeof(folder), "%s", d->config->key_file);
    *strrchr(folder, '/') = '\0';
    if (rename(path, d->config->key_file) != 0)
        return err_errno(err, "putting %s in the place of %s", path, d->config->key_file);
    if (durable_sync_dir(folder[0] != '\0' ? folder : "/", err) != 0)
        return -1;
    log_info("the new key is in use, the old one is gone");
    return 0;
}

static int read_certificate(struct daemon *d, struct err *err)
{
    const char *path = d->config->certificate_file;
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
    return cert_unarmor(&d->cert, line, err) == 0 ? 0 : err_context(err, "%s", path);
}

static void date(char text[32], int64_t at_s)
{
    time_t at = (time_t)at_s;
    struct tm tm;
    if (gmtime_r(&at, &tm) == NULL || strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(text, 32, "%" PRId64, at_s);
}

static int check_dates(const struct daemon *d, struct err *err)
{
    char from[32], to[32], now[32];
    int64_t now_s = wall_s();
    struct err why = ERR_INIT;
    struct clock_floor floor;
    clock_file_load(&floor, d->config->data_dir, &d->cert, &why);
    if (why.code != ERR_NONE && why.code != ERR_NOT_FOUND)
        log_warn("starting without the date that was written down: %s", why.text);
    clock_set_floor(&floor);
    int64_t date_now_s = clock_floor_date(&floor, now_s, 0);
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
    if (cert_check_dates(&d->cert, date_now_s, &why) == 0)
        return 0;
    date(from, d->cert.not_before_s);
    date(to, d->cert.not_after_s);
    return err_set(
        err, ERR_DENIED,
        "%s is valid from %s to %s, and this machine's clock says %s: set the clock, or "
        "have a new certificate signed (`ecbakd --print-request`, `ecbak authority sign`)",
        d->config->certificate_file, from, to, now);
}

static int check_certificate(struct daemon *d, struct err *err)
{
    const struct config *config = d->config;
    if (authority_public_load(config->authority_file, d->authority_public, err) != 0) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        return err_set(err, ERR_NOT_FOUND,
                       "%s is not there: copy authority.pub of your cluster's authority there",
                       config->authority_file);
    }
    if (read_certificate(d, err) != 0)
        return -1;
    if (cert_check(&d->cert, d->authority_public, err) != 0)
        return err_context(err, "%s, against %s", config->certificate_file, config->authority_file);
    if (take_next(d, err) != 0)
        return -1;
    if (memcmp(d->cert.node, d->keys->node, CERT_ID_SIZE) != 0 ||
        memcmp(d->cert.curve, d->keys->curve_public, 32) != 0)
        return err_set(
            err, ERR_FOREIGN,
            "%s is of another node (%s) than the key in %s: have this node's own request "
            "signed (`ecbakd --print-request`)",
            config->certificate_file, d->cert.name, config->key_file);
    return check_dates(d, err) == 0 ? finish_rotation(d, err) : -1;
}

/* ---- start, serve, stop -------------------------------------------------------------------- */

static int start(struct daemon *d, struct err *err)
{
    const struct config *config = d->config;
    bound_memory();
    raise_open_files();
    if (open_signals(d, err) != 0 || rs_setup(err) != 0)
        return -1;
    if (owner_check(config->key_file, err) != 0 || load_keys(d, err) != 0 ||
        check_certificate(d, err) != 0)
        return -1;
    if (store_open(&d->store, config->data_dir, d->keys->node, d->cert.cluster,
                   config->capacity_bytes, err) != 0)
        return -1;
    if (strcmp(config->name, d->cert.name) != 0)
        log_warn("the certificate names this node %s, the configuration %s: the certificate counts",
                 d->cert.name, config->name);
    return service_new(&d->service, config, d->keys, &d->cert, d->authority_public, d->store, err);
}

/* Some part of the time that systemd waits; nothing here may wait for a disk. */
static int watch(struct daemon *d, int64_t watchdog_ms)
{
    if (watchdog_ms == 0)
        return -1;
    if (service_turns(d->service))
        notify("WATCHDOG=1");
    return (int)(watchdog_ms / 4 < WATCH_MS_MAX ? watchdog_ms / 4 : WATCH_MS_MAX);
}

static void say_ready(const struct daemon *d)
{
    const struct config *config = d->config;
    log_info("serving as %s on %s, ports %u and %u, and %s", d->cert.name, config->listen_address,
             (unsigned)config->member_port, (unsigned)config->bulk_port, config->client_endpoint);
    notify("READY=1");
}

/* Returns when the daemon is to stop. */
static int serve(struct daemon *d, struct err *err)
{
    struct pollfd fds[] = {{.fd = d->signals, .events = POLLIN},
                           {.fd = service_left_fd(d->service), .events = POLLIN}};
    const int64_t watchdog_ms = notify_watchdog_ms();
    for (;;) {
        if (poll(fds, 2, watch(d, watchdog_ms)) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "waiting for a signal");
        }
        if (fds[1].revents != 0) {
            log_info("left the cluster for good: stopping");
            return 0;
        }
        struct signalfd_siginfo info;
        if (read(d->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
            continue;
        if (info.ssi_signo == SIGHUP) {
            log_info("SIGHUP: a changed configuration counts from the next start");
            continue;
        }
        log_info("stopping");
        return 0;
    }
}

static void stop(struct daemon *d)
{
    service_destroy(&d->service);
    store_close(&d->store);
    node_keys_destroy(&d->keys);
    if (d->signals >= 0)
        close(d->signals);
}

int daemon_run(const struct config *config, struct err *err)
{
    struct daemon d = {.config = config, .signals = -1};
    int result = start(&d, err);
    if (result == 0) {
        say_ready(&d);
        result = serve(&d, err);
        notify("STOPPING=1");
    }
    stop(&d);
    if (result == 0)
        log_info("stopped");
    return result;
}

/* ---- before the first start ---------------------------------------------------------------- */

void daemon_zone(struct zone *zone, const struct config *config)
{
    struct zone_hints hints;
    if (strcmp(config->zone, ZONE_UNSAID) == 0) {
        zone_hints_read(&hints, config->advertise_address);
        zone_from_hints(zone, &hints);
    } else {
        snprintf(zone->name, sizeof(zone->name), "%s", config->zone);
        snprintf(zone->why, sizeof(zone->why), "the configuration says so");
    }
}

static int print_request(const struct config *config, const struct zone *zone,
                         const struct node_keys *keys, FILE *to, struct err *err)
{
    char line[CERT_ARMOR_MAX];
    if (cert_request(line, keys, config->name, zone->name, err) != 0)
        return -1;
    if (fprintf(to, "%s\n", line) < 0 || fflush(to) != 0)
        return err_errno(err, "printing the request");
    if (strcmp(config->zone, ZONE_UNSAID) == 0 && cert_zone_guessed(zone->name))
        log_warn("the request names the zone %s: %s. Whoever knows more says so with `zone` in the "
                 "configuration, or when signing",
                 zone->name, zone->why);
    return 0;
}

int daemon_print_request(const struct config *config, FILE *to, struct err *err)
{
    struct daemon d = {.config = config, .signals = -1};
    struct node_keys *next = NULL;
    struct zone zone;
    daemon_zone(&zone, config);
    int result = load_keys(&d, err);
    if (result == 0)
        result = load_next(&next, config, d.keys, err);
    if (result == 0)
        result = print_request(config, &zone, next != NULL ? next : d.keys, to, err);
    node_keys_destroy(&next);
    node_keys_destroy(&d.keys);
    return result;
}

int daemon_rotate(const struct config *config, FILE *to, struct err *err)
{
    struct daemon d = {.config = config, .signals = -1};
    struct node_keys *next = NULL;
    char path[CONFIG_PATH_MAX + 8];
    struct zone zone;
    daemon_zone(&zone, config); /* root finds out more */
    if (owner_become(config->key_file, config->data_dir, err) != 0)
        return -1;
    int result = load_keys(&d, err);
    next_path(path, config);
    if (result == 0)
        result = load_next(&next, config, d.keys, err);
    if (result == 0 && next == NULL) {
        next = node_keys_rotated(d.keys);
        result = node_keys_save(next, path, err);
    }
    if (result == 0)
        result = print_request(config, &zone, next, to, err);
    node_keys_destroy(&next);
    node_keys_destroy(&d.keys);
    return result;
}

int daemon_init(const struct config *config, FILE *to, struct err *err)
{
    struct stat st;
    struct zone zone;
    daemon_zone(&zone, config); /* root finds out more */
    if (lstat(config->data_dir, &st) == 0)
        return err_set(err, ERR_EXISTS,
                       "%s is there already: nothing was changed (`ecbakd --print-request` prints "
                       "this node's request again)",
                       config->data_dir);
    if (lstat(config->key_file, &st) == 0)
        return err_set(
            err, ERR_EXISTS,
            "%s is there already, and belongs to another data directory than %s: nothing "
            "was changed. What others store here lies where that one is: name it as "
            "data_dir, or move it",
            config->key_file, config->data_dir);
    if (owner_become(config->key_file, config->data_dir, err) != 0)
        return -1;
    struct node_keys *keys = node_keys_new();
    int result = node_keys_save(keys, config->key_file, err);
    if (result == 0) {
        result = store_create(config->data_dir, keys->node, err);
        if (result != 0)
            unlink(config->key_file); /* made a moment ago, known to nobody */
    }
    if (result == 0)
        result = print_request(config, &zone, keys, to, err);
    node_keys_destroy(&keys);
    return result;
}
