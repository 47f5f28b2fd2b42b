/* ecbakd - a node of a backup cluster: the command line; node/daemon.c is what it runs. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include <sodium.h>

#include "node/base/log.h"
#include "node/config/config.h"
#include "node/daemon.h"

enum daemon_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_LEFT = 3, /* ecbakd.service does not start it again */
};

enum action {
    ACTION_RUN,
    ACTION_INIT,
    ACTION_PRINT_REQUEST,
    ACTION_ROTATE,
    ACTION_PRINT_ZONE,
    ACTION_CHECK_CONFIG,
    ACTION_PRINT_CONFIG,
    ACTION_VERSION,
    ACTION_HELP,
};

static const char usage[] =
    "Usage: ecbakd [--config FILE] [ACTION]\n"
    "\n"
    "Runs a node of a backup cluster in the foreground, or one of these actions:\n"
    "\n"
    "  --init           make this node's keys and its data directory; print the request\n"
    "                   that `ecbak authority sign` turns into a certificate\n"
    "  --print-request  print that request again: to renew a certificate that nears its end\n"
    "  --rotate         make a new key beside the one in use; print the request for it. The\n"
    "                   old one works until ecbakd starts with the new certificate\n"
    "  --print-zone     print the zone that the request names: what fails together with this\n"
    "                   machine, as it is configured or can be found out; and why, on stderr\n"
    "  --check-config   say whether the configuration is good\n"
    "  --print-config   print a documented configuration\n"
    "  --version        print the version, and the protocol versions that it speaks with other\n"
    "                   nodes: \"protocol 1\" or \"protocol 1 to 2\"\n"
    "  --help\n"
    "\n"
    "Options:\n"
    "  -c, --config FILE  the configuration (default: " CONFIG_DEFAULT ")\n"
    "  -v, --verbose      say more in the log\n"
    "\n"
    "Example: a node from nothing\n"
    "  ecbakd --print-config > " CONFIG_DEFAULT "   # then edit it\n"
    "  ecbakd --init > node.request\n"
    "  ecbak authority sign --dir AUTHORITY node.request > /etc/ecbak/node.cert\n"
    "  ecbakd\n";

static int act(enum action action, const char *path, struct err *err)
{
    struct config config;
    if (config_load(&config, path, err) != 0) {
        if (action != ACTION_PRINT_ZONE || err->code != ERR_NOT_FOUND)
            return -1;
        config_defaults(&config); /* before there is a configuration, too */
    }
    switch (action) {
    case ACTION_INIT:
        return daemon_init(&config, stdout, err);
    case ACTION_PRINT_REQUEST:
        return daemon_print_request(&config, stdout, err);
    case ACTION_ROTATE:
        return daemon_rotate(&config, stdout, err);
    case ACTION_PRINT_ZONE: {
        struct zone zone;
        daemon_zone(&zone, &config);
        printf("%s\n", zone.name);
        fflush(stdout);
        fprintf(stderr, "%s: %s\n", zone.name, zone.why);
        return 0;
    }
    case ACTION_CHECK_CONFIG:
        printf("%s is good\n", path);
        return 0;
    default:
        return daemon_run(&config, err);
    }
}

/* What could not be written (a full disk, a closed output) was not given. */
static int end_printing(void)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return EXIT_DONE;
    log_error("writing to standard output: %s", strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"verbose", no_argument, NULL, 'v'},
        {"init", no_argument, NULL, ACTION_INIT},
        {"print-request", no_argument, NULL, ACTION_PRINT_REQUEST},
        {"rotate", no_argument, NULL, ACTION_ROTATE},
        {"print-zone", no_argument, NULL, ACTION_PRINT_ZONE},
        {"check-config", no_argument, NULL, ACTION_CHECK_CONFIG},
        {"print-config", no_argument, NULL, ACTION_PRINT_CONFIG},
        {"version", no_argument, NULL, ACTION_VERSION},
        {"help", no_argument, NULL, ACTION_HELP},
        {0},
    };
    const char *path = CONFIG_DEFAULT;
    enum action action = ACTION_RUN;
    int option;
    while ((option = getopt_long(argc, argv, "c:v", options, NULL)) != -1) {
        if (option == 'c') {
            path = optarg;
        } else if (option == 'v') {
            log_set_level(LOG_LEVEL_DEBUG);
        } else if (option == '?' || action != ACTION_RUN) {
            fprintf(stderr, "Try `ecbakd --help`; one action at a time.\n");
            return EXIT_USAGE;
        } else {
            action = (enum action)option;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "ecbakd takes no arguments (\"%s\"). Try `ecbakd --help`.\n", argv[optind]);
        return EXIT_USAGE;
    }
    if (action == ACTION_HELP) {
        fputs(usage, stdout);
        return end_printing();
    }
    if (action == ACTION_VERSION) {
        char range[PROTOCOL_TEXT_MAX];
        printf("ecbakd %s, protocol %s\n", ECBAK_VERSION, protocol_text(range, PROTOCOL_OURS));
        return end_printing();
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "libsodium does not start: no source of randomness?\n");
        return EXIT_FAILED;
    }
    if (action == ACTION_PRINT_CONFIG) {
        config_print_sample(stdout);
        return end_printing();
    }
    struct err err = ERR_INIT;
    if (act(action, path, &err) == 0)
        return end_printing();
    log_error("%s", err.text);
    return err.code == ERR_LEFT ? EXIT_LEFT : EXIT_FAILED;
}
