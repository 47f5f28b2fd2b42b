#include "cli/base/job.h"

#include <string.h>
#include <unistd.h>

void job_problem(struct job_progress *progress, const struct job_report *report, const char *path,
                 const struct err *err)
{
    atomic_fetch_add(&progress->problems, 1);
    if (report->problem != NULL)
        report->problem(report->ctx, path, err);
}

void job_notice(const struct job_report *report, const char *text)
{
    if (text != NULL && report->notice != NULL)
        report->notice(report->ctx, text);
}

void job_now(struct job_progress *progress, const char *folder, const char *name, size_t name_size)
{
    size_t size = strlen(folder), room = JOB_NOW_MAX - 2;
    if (atomic_exchange(&progress->naming, true))
        return;
    name_size = name_size < room ? name_size : room;
    if (size > room - name_size) {
        folder += size - (room - name_size);
        size = room - name_size;
    }
    memcpy(progress->now, folder, size);
    progress->now[size] = '/';
    memcpy(progress->now + size + 1, name, name_size);
    progress->now[size + 1 + name_size] = '\0';
    atomic_store(&progress->naming, false);
}

bool job_now_read(struct job_progress *progress, char to[JOB_NOW_MAX])
{
    if (atomic_exchange(&progress->naming, true))
        return false;
    memcpy(to, progress->now, JOB_NOW_MAX);
    atomic_store(&progress->naming, false);
    return true;
}

unsigned job_threads(unsigned wanted, unsigned max)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = wanted > 0 ? wanted : cores > 2 ? (unsigned)cores : 2;
    return threads < max ? threads : max;
}
