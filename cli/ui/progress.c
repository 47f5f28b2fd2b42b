/* A painter thread that wakes five times a second; the job's threads only count. */
#include "cli/ui/progress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/base/text.h"
#include "cli/ui/output.h"
#include "coding/base/alloc.h"
#include "node/common/clock.h"

#define PAINT_MS      200
#define RATE_WINDOW_S 3.0 /* the rate shown is a mean that forgets with this time constant */
#define CLEAR_LINE    "\r\033[K"

struct progress {
    const char *verb;
    struct job_progress *job;
    bool json, quiet, painting, stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t painter;
    double start_s, last_s, rate;
    uint64_t last_bytes;
    struct sigaction before[2];
};

/* Who paints, for those that do not know it. */
static pthread_mutex_t shown_lock = PTHREAD_MUTEX_INITIALIZER;
static struct progress *shown;

static const int signals[2] = {SIGINT, SIGTERM};

/* What the signal handler reaches; one job at a time. */
static struct job_progress *_Atomic running;

static void on_signal(int number)
{
    struct job_progress *job = atomic_load(&running);
    if (job == NULL || atomic_exchange(&job->cancel, true)) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

static const char *phase_text(int phase, const char *verb)
{
    switch (phase) {
    case JOB_STARTING:
        return "asking the cluster";
    case JOB_CHECKING:
        return "checking what is held";
    case JOB_FINISHING:
        return "finishing";
    case JOB_PUBLISHING:
        return "publishing";
    default:
        return verb;
    }
}

void progress_line(char to[PROGRESS_LINE_MAX], const char *verb, struct job_progress *job,
                   double seconds, double rate, unsigned width)
{
    char a[TEXT_SHORT_MAX], b[TEXT_SHORT_MAX], bar[BAR_TEXT_MAX];
    uint64_t bytes = atomic_load(&job->bytes), all = atomic_load(&job->bytes_all);
    size_t used = 0;
#define ADD(...)                                                                                   \
    (used += (size_t)snprintf(to + used, used < PROGRESS_LINE_MAX ? PROGRESS_LINE_MAX - used : 0,  \
                              __VA_ARGS__))
    ADD("%s", atomic_load(&job->cancel) ? "stopping" : phase_text(atomic_load(&job->phase), verb));
    ADD("  %s files", text_count(a, atomic_load(&job->files)));
    if (all > 0 && all >= bytes) {
        double share = (double)bytes / (double)all;
        ADD("  %s  %2.0f %%", output_bar(bar, 16, bytes, all), share * 100);
        ADD("  %s of %s", text_bytes(a, bytes), text_bytes(b, all));
    } else {
        ADD("  %s", text_bytes(a, bytes));
    }
    if (rate >= 1) {
        ADD("  %s/s", text_bytes(a, (uint64_t)rate));
        if (all > bytes && seconds > 1)
            ADD("  %s left", text_duration(a, (double)(all - bytes) / rate));
    }
    if (atomic_load(&job->problems) > 0)
        ADD("  %s problems", text_count(a, atomic_load(&job->problems)));
#undef ADD
    to[text_fit(to, width)] = '\0';
}

/* With the lock held. */
static void paint(struct progress *p)
{
    double now = (double)monotonic_ms() / 1000, passed = now - p->last_s;
    uint64_t bytes = atomic_load(&p->job->bytes);
    if (passed > 0) {
        double fresh = (double)(bytes - p->last_bytes) / passed;
        double weight = passed / (passed + RATE_WINDOW_S);
        p->rate = p->rate <= 0 ? fresh : p->rate + weight * (fresh - p->rate);
        p->last_s = now;
        p->last_bytes = bytes;
    }
    struct winsize window;
    unsigned width = 80;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
        width = window.ws_col;
    char line[PROGRESS_LINE_MAX];
    progress_line(line, p->verb, p->job, now - p->start_s, p->rate, width - 1);
    fprintf(stderr, "\r%s%s%s\033[K", style_on(stderr, STYLE_DIM), line, style_off(stderr));
    fflush(stderr);
}

static void *painter_main(void *ctx)
{
    struct progress *p = ctx;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PAINT_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        if (pthread_cond_timedwait(&p->wake, &p->lock, &until) == ETIMEDOUT && !p->stopping)
            paint(p);
    }
    fputs(CLEAR_LINE, stderr);
    fflush(stderr);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* The painter must never be the thread that a signal interrupts. */
static bool start_painter(struct progress *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&p->painter, NULL, painter_main, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void show(struct progress *progress)
{
    pthread_mutex_lock(&shown_lock);
    shown = progress;
    pthread_mutex_unlock(&shown_lock);
}

struct progress *progress_start(const char *verb, struct job_progress *job, bool json, bool quiet)
{
    struct progress *p = alloc_zero(1, sizeof(*p));
    p->verb = verb;
    p->job = job;
    p->json = json;
    p->quiet = quiet;
    p->start_s = p->last_s = (double)monotonic_ms() / 1000;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &clock);
    pthread_condattr_destroy(&clock);
    atomic_store(&running, job);
    struct sigaction during = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < 2; i++)
        sigaction(signals[i], &during, &p->before[i]);
    const char *terminal = getenv("TERM");
    if (!quiet && isatty(STDERR_FILENO) == 1 && terminal != NULL && strcmp(terminal, "dumb") != 0)
        p->painting = start_painter(p);
    show(p);
    return p;
}

bool progress_is_shown(const struct progress *progress)
{
    return progress->painting;
}

void progress_stop(struct progress **progress)
{
    struct progress *p = *progress;
    if (p == NULL)
        return;
    *progress = NULL;
    show(NULL);
    if (p->painting) {
        pthread_mutex_lock(&p->lock);
        p->stopping = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->painter, NULL);
    }
    for (size_t i = 0; i < 2; i++)
        sigaction(signals[i], &p->before[i], NULL);
    atomic_store(&running, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void progress_note(const char *text)
{
    pthread_mutex_lock(&shown_lock);
    if (shown != NULL)
        pthread_mutex_lock(&shown->lock);
    if (shown != NULL && shown->painting)
        fputs(CLEAR_LINE, stderr);
    output_note(text);
    if (shown != NULL)
        pthread_mutex_unlock(&shown->lock);
    pthread_mutex_unlock(&shown_lock);
}

void progress_problem(void *ctx, const char *path, const struct err *err)
{
    struct progress *p = ctx;
    pthread_mutex_lock(&p->lock);
    if (p->json)
        output_json(json_pack("{s:o, s:s, s:o}", "problem", json_text(path), "error",
                              err_name(err->code), "message", json_text(err->text)));
    if (p->painting)
        fputs(CLEAR_LINE, stderr);
    /* Most messages name the path already. */
    if (strstr(err->text, path) != NULL)
        output_warning("%s", err->text);
    else
        output_warning("%s: %s", path, err->text);
    pthread_mutex_unlock(&p->lock);
}

void progress_notice(void *ctx, const char *text)
{
    struct progress *p = ctx;
    pthread_mutex_lock(&p->lock);
    if (p->painting)
        fputs(CLEAR_LINE, stderr);
    output_warning("%s", text);
    pthread_mutex_unlock(&p->lock);
}
