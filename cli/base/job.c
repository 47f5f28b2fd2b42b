#include "cli/base/job.h"

#include <sys/resource.h>
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

unsigned job_threads(unsigned wanted, unsigned max)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = wanted > 0 ? wanted : cores > 2 ? (unsigned)cores : 2;
    return threads < max ? threads : max;
}

void job_allow_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
