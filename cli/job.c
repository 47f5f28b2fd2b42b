#include "cli/job.h"

enum job_outcome job_outcome_of(const struct err *err)
{
    switch (err->code) {
    case ERR_NONE:
        return JOB_DONE;
    case ERR_TOO_FEW:
        return JOB_TOO_FEW;
    case ERR_KEY:
    case ERR_DAMAGED:
    case ERR_FORMAT:
    case ERR_FOREIGN:
        return JOB_DAMAGED;
    default:
        return JOB_FAILED;
    }
}
