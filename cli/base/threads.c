#include "cli/base/threads.h"

#include <assert.h>
#include <errno.h>

int threads_start(struct threads *threads, unsigned count, void *(*run)(void *ctx), void *ctx,
                  struct err *err)
{
    assert(threads->count == 0 && count <= THREADS_MAX);
    while (threads->count < count) {
        int number = pthread_create(&threads->ids[threads->count], NULL, run, ctx);
        if (number != 0) {
            errno = number;
            return err_errno(err, "starting a thread");
        }
        threads->count++;
    }
    return 0;
}

void threads_join(struct threads *threads)
{
    for (unsigned i = 0; i < threads->count; i++)
        pthread_join(threads->ids[i], NULL);
    threads->count = 0;
}
