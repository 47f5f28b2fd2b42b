/* What ecbakd refuses to start with, where a test of the whole process cannot turn the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/durable.h"
#include "node/daemon.h"
#include "node/trust/authority.h"
#include "node/trust/cert.h"
#include "node/trust/node_keys.h"
#include "test/remove_tree.h"

static char folder[] = "/tmp/ecbak-daemon-XXXXXX";
static uint8_t authority_secret[64], authority_public[32];
static struct config config;
static struct node_keys *keys;

/* The error with which the daemon does not start, its certificate being valid between these. */
static struct err refusal(int64_t from_s, int64_t to_s)
{
    struct err err = ERR_INIT;
    struct cert cert = {
        .serial = 1, .not_before_s = from_s, .not_after_s = to_s, .name = "node", .zone = "zone"};
    char line[CERT_ARMOR_MAX];
    cert.node = keys->node;
    memcpy(cert.curve, keys->curve_public, sizeof(cert.curve));
    assert_int_equal(cert_sign(&cert, authority_secret, &err), 0);
    assert_int_equal(cert_armor(line, &cert, &err), 0);
    struct durable_piece piece = {line, strlen(line)};
    assert_int_equal(durable_write(config.certificate_file, &piece, 1, 0644, DURABLE_REPLACE, &err),
                     0);
    assert_int_equal(daemon_run(&config, &err), -1);
    return err;
}

static void a_clock_outside_the_certificates_dates_is_named(void **state)
{
    (void)state;
    struct err past = refusal(wall_s() - 7200, wall_s() - 3600);
    assert_int_equal(past.code, ERR_DENIED);
    assert_non_null(strstr(past.text, "this machine's clock says"));
    assert_non_null(strstr(past.text, "ecbak authority sign"));
}

/* A machine that starts in 1970: its own certificate proves that its clock is wrong. */
static void a_clock_before_the_certificate_does_not_stop_it(void **state)
{
    (void)state;
    struct err err = refusal(wall_s() + 7200, wall_s() + 9000);
    assert_int_equal(err.code, ERR_NOT_FOUND); /* it went on to the data directory */
    assert_non_null(strstr(err.text, config.data_dir));
}

/* Another user's key: root would write files that the service cannot use. */
static void the_key_must_be_of_the_user_who_serves(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(config.key_file, 12345, 12345), 0);
    struct err err = refusal(wall_s() - 60, wall_s() + 3600);
    assert_int_equal(chown(config.key_file, 0, 0), 0);
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, "belongs to user #12345"));
    assert_non_null(strstr(err.text, "systemctl start ecbakd"));
}

/* What `ecbakd --init` makes as root, in a folder that is the service's user's. */
static void what_root_makes_belongs_to_the_owner_of_the_folder(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    char own[] = "/tmp/ecbak-owner-XXXXXX", path[64];
    struct config made = config;
    assert_non_null(mkdtemp(own));
    assert_int_equal(chown(own, 12345, 12346), 0);
    snprintf(made.key_file, sizeof(made.key_file), "%s/node.key", own);
    snprintf(made.data_dir, sizeof(made.data_dir), "%s/elsewhere", folder); /* root's folder */
    pid_t child = fork();
    if (child == 0) {
        struct err err = ERR_INIT;
        FILE *nowhere = fopen("/dev/null", "we");
        _exit(daemon_init(&made, nowhere, &err) == 0 ? 0 : 1);
    }
    int status = -1;
    struct stat st;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 1 << 8); /* it is that user now, who may not enter our folder */
    assert_int_equal(chmod(folder, 0711), 0);
    snprintf(path, sizeof(path), "%s/elsewhere", folder);
    assert_int_equal(rmdir(path), 0);
    child = fork();
    if (child == 0) {
        struct err err = ERR_INIT;
        FILE *nowhere = fopen("/dev/null", "we");
        _exit(daemon_init(&made, nowhere, &err) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    const char *const paths[] = {made.key_file, made.data_dir};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(lstat(paths[i], &st), 0);
        assert_int_equal(st.st_uid, 12345);
        assert_int_equal(st.st_gid, 12346);
        assert_int_equal(st.st_mode & 077, 0);
    }
    assert_int_equal(remove_tree(own), 0);
    assert_int_equal(remove_tree(made.data_dir), 0);
}

static void the_data_directory_is_checked_after_the_certificate(void **state)
{
    (void)state;
    struct err err = refusal(wall_s() - 60, wall_s() + 3600);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, config.data_dir));
}

static int setup(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    log_set_level(LOG_LEVEL_ERROR);
    if (sodium_init() < 0 || mkdtemp(folder) == NULL ||
        authority_init(folder, authority_public, &err) != 0 ||
        authority_load(folder, authority_secret, &err) != 0)
        return -1;
    config_defaults(&config);
    snprintf(config.data_dir, sizeof(config.data_dir), "%s/data", folder);
    snprintf(config.key_file, sizeof(config.key_file), "%s/node.key", folder);
    snprintf(config.certificate_file, sizeof(config.certificate_file), "%s/node.cert", folder);
    snprintf(config.authority_file, sizeof(config.authority_file), "%s/authority.pub", folder);
    keys = node_keys_new();
    return node_keys_save(keys, config.key_file, &err);
}

static int teardown(void **state)
{
    (void)state;
    char path[128];
    const char *files[] = {"node.key", "node.cert", "authority.pub", "authority.key"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    node_keys_destroy(&keys);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_outside_the_certificates_dates_is_named),
        cmocka_unit_test(a_clock_before_the_certificate_does_not_stop_it),
        cmocka_unit_test(the_key_must_be_of_the_user_who_serves),
        cmocka_unit_test(what_root_makes_belongs_to_the_owner_of_the_folder),
        cmocka_unit_test(the_data_directory_is_checked_after_the_certificate),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
