/* The hard limit is the operator's word; the soft one is low for programs that use select(). */
#include "node/common/open_files.h"

#include <sys/resource.h>

int open_files_raise(struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_errno(err, "the limit of open files");
    if (limit.rlim_cur == limit.rlim_max)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0
               ? 0
               : err_errno(err, "raising the limit of open files");
}

size_t open_files_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)limit.rlim_cur : OPEN_FILES_LEAST;
}
