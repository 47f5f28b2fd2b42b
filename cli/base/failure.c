#include "cli/base/failure.h"

void failure_init(struct failure *failure, const _Atomic bool *cancel)
{
    *failure = (struct failure){.cancel = cancel};
    pthread_mutex_init(&failure->lock, NULL);
}

void failure_release(struct failure *failure)
{
    pthread_mutex_destroy(&failure->lock);
}

void failure_set(struct failure *failure, const struct err *err)
{
    pthread_mutex_lock(&failure->lock);
    if (!failure->set)
        failure->err = *err;
    failure->set = true;
    pthread_mutex_unlock(&failure->lock);
}

bool failure_met(struct failure *failure)
{
    if (failure->cancel != NULL && *failure->cancel && !failure->set) {
        struct err err;
        err_set(&err, ERR_CANCELLED, "stopped on request");
        failure_set(failure, &err);
    }
    return failure->set;
}

int failure_check(struct failure *failure, struct err *err)
{
    if (!failure_met(failure))
        return 0;
    pthread_mutex_lock(&failure->lock);
    *err = failure->err;
    pthread_mutex_unlock(&failure->lock);
    return -1;
}
