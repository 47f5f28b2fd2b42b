/* Signals are blocked before the first thread starts and read from a descriptor, so no code of ours
 * ever runs in a handler. */
#include "node/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coding/rs.h"
#include "node/base/log.h"
#include "node/base/notify.h"
#include "node/common/open_files.h"
#include "node/config/identity.h"
#include "node/config/owner.h"
#include "node/config/zone.h"
#include "node/serve/service.h"
#include "node/store/store.h"
#include "node/trust/cert.h"
#include "node/trust/node_keys.h"

#define WATCH_MS_MAX 30000

struct daemon {
    const struct config *config;
    struct identity id;
    struct store *store;
    struct service *service;
    int signals;
};

/* ---- the process --------------------------------------------------------------------------- */

/* Buffers of packs and fragments come and go by the dozen: had from the system each time, their
 * page faults cost as much as all hashing. So they are kept while the node works, and given back
 * when it rests (chores.c). One arena: the threads mostly wait. */
static void bound_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 512 * 1024 * 1024);
    mallopt(M_ARENA_MAX, 1);
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

/* ---- start, serve, stop -------------------------------------------------------------------- */

static int start(struct daemon *d, struct err *err)
{
    const struct config *config = d->config;
    bound_memory();
    struct err limit = ERR_INIT;
    if (open_files_raise(&limit) != 0)
        log_warn("%s", limit.text);
    if (open_signals(d, err) != 0 || rs_setup(err) != 0)
        return -1;
    if (owner_check(config->key_file, err) != 0 || identity_load(&d->id, config, err) != 0)
        return -1;
    if (store_open(&d->store, config->data_dir, &d->id.keys->node, d->id.authority_public,
                   config->capacity_bytes, err) != 0)
        return -1;
    if (strcmp(config->name, d->id.cert.name) != 0)
        log_warn("the certificate names this node %s, the configuration %s: the certificate counts",
                 d->id.cert.name, config->name);
    return service_new(&d->service, config,
                       &(struct credentials){d->id.keys, &d->id.cert, d->id.authority_public},
                       d->store, err);
}

/* How long the main thread may sleep: a part of the time that systemd waits, -1: without end. Nothing
 * here may wait for a disk. */
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
    log_info("serving as %s on %s, ports %u and %u, and %s", d->id.cert.name,
             config->listen_address, (unsigned)config->member_port, (unsigned)config->bulk_port,
             config->client_endpoint);
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
    identity_release(&d->id);
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
    struct node_keys *keys = NULL, *next = NULL;
    struct zone zone;
    daemon_zone(&zone, config);
    int result = identity_keys(&keys, config, err);
    if (result == 0)
        result = identity_keys_waiting(&next, config, keys, err);
    if (result == 0)
        result = print_request(config, &zone, next != NULL ? next : keys, to, err);
    node_keys_destroy(&next);
    node_keys_destroy(&keys);
    return result;
}

int daemon_rotate(const struct config *config, FILE *to, struct err *err)
{
    struct node_keys *keys = NULL, *next = NULL;
    struct zone zone;
    daemon_zone(&zone, config); /* as root, who finds out more */
    if (owner_become(config->key_file, config->data_dir, err) != 0)
        return -1;
    int result = identity_keys(&keys, config, err);
    if (result == 0)
        result = identity_keys_renewed(&next, config, keys, err);
    if (result == 0)
        result = print_request(config, &zone, next, to, err);
    node_keys_destroy(&next);
    node_keys_destroy(&keys);
    return result;
}

int daemon_init(const struct config *config, FILE *to, struct err *err)
{
    struct stat st;
    struct zone zone;
    daemon_zone(&zone, config); /* as root, who finds out more */
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
        result = store_create(config->data_dir, &keys->node, err);
        if (result != 0)
            unlink(config->key_file); /* made a moment ago, known to nobody */
    }
    if (result == 0)
        result = print_request(config, &zone, keys, to, err);
    node_keys_destroy(&keys);
    return result;
}
