/* The date that certificates are checked against, and the threads that systemd's watchdog watches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "node/base/date_file.h"
#include "node/base/heartbeat.h"
#include "node/base/notify.h"
#include "node/common/clock.h"

#define FIRST 1000000000 /* the certificate's dates */
#define LAST  1300000000
#define HOUR  3600

static struct date_floor floor_of(int64_t seen_s)
{
    return (struct date_floor){.first_s = FIRST, .last_s = LAST, .seen_s = seen_s};
}

static void a_clock_within_the_certificates_dates_counts_alone(void **state)
{
    (void)state;
    struct date_floor floor = floor_of(FIRST + 50 * HOUR);
    assert_int_equal(date_floor_now(&floor, FIRST + 60 * HOUR, 0), FIRST + 60 * HOUR);
    /* Also when it was once far ahead: a clock that was set right is right. */
    assert_int_equal(date_floor_now(&floor, FIRST + HOUR, 0), FIRST + HOUR);
    assert_int_equal(date_floor_now(&floor, FIRST - CERT_SLACK_S, 0), FIRST - CERT_SLACK_S);
    assert_int_equal(date_floor_now(&floor, LAST + HOUR, 0), LAST + HOUR);
}

static void a_clock_that_was_never_set_gives_way_to_what_was_seen(void **state)
{
    (void)state;
    struct date_floor floor = floor_of(FIRST + 50 * HOUR);
    assert_int_equal(date_floor_now(&floor, 17, 0), FIRST + 50 * HOUR);
    assert_int_equal(date_floor_now(&floor, 17 + HOUR, HOUR * 1000), FIRST + 51 * HOUR);
    floor = floor_of(0); /* nothing was written down: the certificate's first day has come */
    assert_int_equal(date_floor_now(&floor, 17, 5000), FIRST + 5);
    floor = floor_of(FIRST - HOUR); /* written down under an older certificate */
    assert_int_equal(date_floor_now(&floor, 17, 0), FIRST);
}

static void no_floor_ends_the_own_certificate(void **state)
{
    (void)state;
    struct date_floor floor = floor_of(LAST + 1000 * HOUR);
    assert_int_equal(date_floor_now(&floor, 17, 0), LAST);
    floor = floor_of(LAST - HOUR);
    assert_int_equal(date_floor_now(&floor, 17, 5 * HOUR * 1000), LAST);
    assert_int_equal(date_floor_now(&floor, 17, INT64_MAX), LAST);
}

static void what_was_seen_never_goes_back_and_stays_within_the_certificate(void **state)
{
    (void)state;
    struct date_floor floor = floor_of(0);
    assert_false(date_floor_see(&floor, 17, HOUR));
    assert_false(date_floor_see(&floor, LAST + 1, HOUR)); /* a clock far ahead */
    assert_int_equal(floor.seen_s, 0);
    assert_true(date_floor_see(&floor, FIRST + 10, HOUR));
    assert_false(date_floor_see(&floor, FIRST + HOUR, HOUR)); /* at most once a step */
    assert_true(date_floor_see(&floor, FIRST + HOUR + 10, HOUR));
    assert_false(date_floor_see(&floor, FIRST + HOUR, 0));
    assert_false(date_floor_see(&floor, FIRST + HOUR + 10, 0));
    assert_true(date_floor_see(&floor, FIRST + HOUR + 11, 1)); /* at the end */
    assert_int_equal(floor.seen_s, FIRST + HOUR + 11);
}

static void without_a_floor_the_date_is_the_systems(void **state)
{
    (void)state;
    int64_t before_s = wall_s(), date = date_s();
    assert_true(date >= before_s && date <= wall_s());
}

static const char golden[] = "6563626b636c636b0100000000000000" /* magic, version, zero */
                             "00ca9a3b000000000000000000000000" /* seconds, zero */
                             "060cf9a55c86bf305883a94b7d553cc93916c0d70e5c742d5ab3f84ec3c8bf6b";

static void the_file_is_as_documented_and_proves_itself(void **state)
{
    (void)state;
    uint8_t bytes[DATE_FILE_SIZE];
    char text[2 * DATE_FILE_SIZE + 1];
    int64_t seen_s = 0;
    struct err err = ERR_INIT;
    date_file_encode(bytes, FIRST);
    assert_string_equal(hex_encode(text, bytes, sizeof(bytes)), golden);
    assert_int_equal(date_file_decode(&seen_s, bytes, sizeof(bytes), &err), 0);
    assert_int_equal(seen_s, FIRST);
    for (size_t size = 0; size < sizeof(bytes); size++)
        assert_int_equal(date_file_decode(&seen_s, bytes, size, &err), -1);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 1;
        assert_int_equal(date_file_decode(&seen_s, bytes, sizeof(bytes), &err), -1);
        bytes[i] ^= 1;
    }
    bytes[8] = 2;
    assert_int_equal(date_file_decode(&seen_s, bytes, sizeof(bytes), &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
}

static void what_is_saved_is_there_at_the_next_start(void **state)
{
    (void)state;
    char folder[] = "/tmp/ecbak-clock-XXXXXX", path[64];
    const struct cert cert = {.not_before_s = FIRST, .not_after_s = LAST};
    struct date_floor floor = floor_of(FIRST + 7), found;
    struct err err = ERR_INIT;
    assert_non_null(mkdtemp(folder));
    date_file_load(&found, folder, &cert, &err);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(found.seen_s, 0);
    assert_int_equal(date_file_save(&floor, folder, &err), 0);
    err = ERR_INIT;
    date_file_load(&found, folder, &cert, &err);
    assert_int_equal(err.code, ERR_NONE);
    assert_memory_equal(&found, &floor, sizeof(floor));
    snprintf(path, sizeof(path), "%s/clock.state", folder);
    assert_int_equal(truncate(path, 40), 0);
    date_file_load(&found, folder, &cert, &err);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(found.seen_s, 0);
    unlink(path);
    rmdir(folder);
}

/* ---- the watchdog --------------------------------------------------------------------------- */

static void one_thread_that_hangs_is_not_covered_up_by_the_other(void **state)
{
    (void)state;
    struct heartbeat a = {.seen = 0}, b = {.seen = 0};
    struct heartbeat *const both[] = {&a, &b};
    assert_false(heartbeats_all_moved(both, 2));
    heartbeat_beat(&a);
    assert_false(heartbeats_all_moved(both, 2));
    heartbeat_beat(&a);
    heartbeat_beat(&b);
    assert_true(heartbeats_all_moved(both, 2));
    assert_false(heartbeats_all_moved(both, 2));
    for (int i = 0; i < 10; i++) {
        heartbeat_beat(&b);
        assert_false(heartbeats_all_moved(both, 2));
    }
    heartbeat_beat(&a); /* the beats of b since then still count */
    assert_true(heartbeats_all_moved(both, 2));
}

static void the_watchdog_is_for_the_process_that_systemd_names(void **state)
{
    (void)state;
    char pid[32];
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "120000000", 1);
    assert_int_equal(notify_watchdog_ms(), 120000);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_ms(), 120000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
}

static void what_is_notified_arrives(void **state)
{
    (void)state;
    char folder[] = "/tmp/ecbak-notify-XXXXXX", got[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    notify("WATCHDOG=1");
    ssize_t size = recv(fd, got, sizeof(got), MSG_DONTWAIT);
    assert_int_equal(size, 10);
    assert_memory_equal(got, "WATCHDOG=1", 10);
    unsetenv("NOTIFY_SOCKET");
    notify("WATCHDOG=1");
    assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
    close(fd);
    unlink(address.sun_path);
    rmdir(folder);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_within_the_certificates_dates_counts_alone),
        cmocka_unit_test(a_clock_that_was_never_set_gives_way_to_what_was_seen),
        cmocka_unit_test(no_floor_ends_the_own_certificate),
        cmocka_unit_test(what_was_seen_never_goes_back_and_stays_within_the_certificate),
        cmocka_unit_test(without_a_floor_the_date_is_the_systems),
        cmocka_unit_test(the_file_is_as_documented_and_proves_itself),
        cmocka_unit_test(what_is_saved_is_there_at_the_next_start),
        cmocka_unit_test(one_thread_that_hangs_is_not_covered_up_by_the_other),
        cmocka_unit_test(the_watchdog_is_for_the_process_that_systemd_names),
        cmocka_unit_test(what_is_notified_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
