/* A lock that is waited for is asked for again and again: flock() alone would wait for ever, and a
 * time limit by a signal would be the whole process's. */
#include "cli/home/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "node/common/clock.h"
#include "node/common/wait.h"

#define PAUSE_MS_MIN     2
#define PAUSE_MS_MAX     200
#define LOCK_WAIT_MAX_MS ((uint64_t)1 << 50) /* for ever, and no overflow */

static int take(int fd, const char *path, uint64_t wait_ms, const _Atomic bool *cancel,
                struct err *err)
{
    const int64_t end_ms =
        monotonic_ms() + (int64_t)(wait_ms < LOCK_WAIT_MAX_MS ? wait_ms : LOCK_WAIT_MAX_MS);
    int64_t pause_ms = PAUSE_MS_MIN;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(err, "locking %s", path);
        if (cancel != NULL && *cancel)
            return err_set(err, ERR_CANCELLED, "stopped on request");
        if (monotonic_ms() >= end_ms)
            return err_set(err, ERR_BUSY, "another command holds %s", path);
        wait_pause(pause_ms);
        pause_ms = 2 * pause_ms < PAUSE_MS_MAX ? 2 * pause_ms : PAUSE_MS_MAX;
    }
    return 0;
}

int lock_take(int *fd, const char *path, uint64_t wait_ms, const _Atomic bool *cancel,
              struct err *err)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return err_errno(err, "opening %s", path);
    if (take(*fd, path, wait_ms, cancel, err) == 0)
        return 0;
    close(*fd);
    *fd = -1;
    return -1;
}
