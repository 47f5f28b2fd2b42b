/* What is said is a line of its own, never one that is painted over: it tells afterwards, in a log too,
 * where the time went. */
#include "cli/ui/waiting.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/ui/progress.h"
#include "node/api/client.h"
#include "node/common/clock.h"

#define TEXT_MAX 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool silent;
    char last[TEXT_MAX]; /* without its time limit, which differs from thread to thread */
    int64_t said_ms;
} state;

void waiting_start(bool silent)
{
    state.silent = silent;
    client_tell_waits(waiting_say);
}

void waiting_say(const char *what)
{
    int64_t now_ms = monotonic_ms();
    size_t size = strcspn(what, ",");
    pthread_mutex_lock(&lock);
    bool again = strncmp(state.last, what, size) == 0 && state.last[size] == '\0' &&
                 now_ms - state.said_ms < WAITING_SILENCE_MS;
    if (!state.silent && !again && size < sizeof(state.last)) {
        memcpy(state.last, what, size);
        state.last[size] = '\0';
        state.said_ms = now_ms;
        progress_note(what);
    }
    pthread_mutex_unlock(&lock);
}

void waiting_init(struct waiting *waiting)
{
    *waiting = (struct waiting){.start_ms = monotonic_ms()};
}

void waiting_tell(struct waiting *waiting, const char *format, ...)
{
    char text[TEXT_MAX];
    if (waiting->said || monotonic_ms() - waiting->start_ms < WAITING_SILENCE_MS)
        return;
    waiting->said = true;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    waiting_say(text);
}
