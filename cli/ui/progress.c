/* A painter thread that wakes five times a second; the job's threads only count. */
#include "cli/ui/progress.h"

#include <assert.h>
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
#include "node/common/wait.h"

#define PAINT_MS      200
#define NAMED_SIZE    100
#define RATE_WINDOW_S 3.0 /* the rate shown is a mean that forgets with this time constant */
#define CLEAR_LINE    "\r\033[J"

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

/* A piece of the line. Of those that do not fit, the ones with the highest rank go first. */
struct figure {
    int rank;
    char text[64];
};
#define PIECES_MAX 8

static size_t pieces_width(const struct figure *pieces, size_t count, int rank_max)
{
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        if (pieces[i].rank <= rank_max)
            width += text_width(pieces[i].text) + (width > 0 ? 2 : 0);
    return width;
}

static size_t make_pieces(struct figure pieces[PIECES_MAX], const char *verb,
                          struct job_progress *job, double seconds, double rate)
{
    char a[TEXT_SHORT_MAX], b[TEXT_SHORT_MAX], bar[BAR_TEXT_MAX];
    uint64_t bytes = atomic_load(&job->bytes), all = atomic_load(&job->bytes_all);
    uint64_t files = atomic_load(&job->files), problems = atomic_load(&job->problems);
    bool has_share = all > 0 && all >= bytes;
    size_t count = 0;
#define ADD(rank_, ...)                                                                            \
    (pieces[count].rank = (rank_),                                                                 \
     snprintf(pieces[count].text, sizeof(pieces[count].text), __VA_ARGS__), count++)
    ADD(0, "%s",
        atomic_load(&job->cancel) ? "stopping" : phase_text(atomic_load(&job->phase), verb));
    if (has_share) {
        ADD(7, "%s", output_bar(bar, 16, bytes, all));
        ADD(1, "%.0f %%", (double)bytes / (double)all * 100);
    }
    ADD(5, "%s file%s", text_count(a, files), files == 1 ? "" : "s");
    if (has_share)
        ADD(4, "%s of %s", text_bytes(a, bytes), text_bytes(b, all));
    else
        ADD(1, "%s", text_bytes(a, bytes));
    if (rate >= 1)
        ADD(6, "%s/s", text_bytes(a, (uint64_t)rate));
    if (rate >= 1 && has_share && all > bytes && seconds > 1)
        ADD(2, "%s left", text_duration(a, (double)(all - bytes) / rate));
    if (problems > 0)
        ADD(3, "%s problem%s", text_count(a, problems), problems == 1 ? "" : "s");
#undef ADD
    return count;
}

void progress_line(char to[PROGRESS_LINE_MAX], const char *verb, struct job_progress *job,
                   double seconds, double rate, unsigned width)
{
    struct figure pieces[PIECES_MAX];
    size_t count = make_pieces(pieces, verb, job, seconds, rate), used = 0;
    int rank_max = PIECES_MAX;
    assert(count <= PIECES_MAX);
    while (rank_max > 0 && pieces_width(pieces, count, rank_max) > width)
        rank_max--;
    to[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (pieces[i].rank <= rank_max)
            used += (size_t)snprintf(to + used, PROGRESS_LINE_MAX - used, "%s%s",
                                     used > 0 ? "  " : "", pieces[i].text);
    to[text_fit(to, width)] = '\0';
}

void progress_now_line(char to[PROGRESS_LINE_MAX], struct job_progress *job, unsigned width)
{
    char now[JOB_NOW_MAX], safe[4 * JOB_NOW_MAX];
    to[0] = '\0';
    if (width <= 5 || !job_now_read(job, now))
        return;
    text_safe(safe, sizeof(safe), now, strlen(now));
    const char *at = safe;
    if (text_width(at) > width) /* its end says more than its beginning */
        for (at += 1; text_width(at) > width - 3 || ((unsigned char)*at & 0xc0) == 0x80;)
            at++;
    snprintf(to, PROGRESS_LINE_MAX, "%s%s", at == safe ? "" : "...", at);
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
    char line[PROGRESS_LINE_MAX], file[PROGRESS_LINE_MAX];
    progress_line(line, p->verb, p->job, now - p->start_s, p->rate, width - 1);
    progress_now_line(file, p->job, width - 1);
    /* The cursor stays at the beginning of the first line: whatever is printed takes its place. */
    fprintf(stderr, "\r%s%s\033[K\n%s\033[K%s\r\033[A", style_on(stderr, STYLE_DIM), line, file,
            style_off(stderr));
    fflush(stderr);
}

static void *painter_main(void *ctx)
{
    struct progress *p = ctx;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        if (!wait_until(&p->wake, &p->lock, monotonic_ms() + PAINT_MS) && !p->stopping)
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
    wait_init(&p->wake);
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
    /* Most messages name the path already, or, of a long one, its beginning. */
    size_t size = strlen(path);
    if (memmem(err->text, strlen(err->text), path, size < NAMED_SIZE ? size : NAMED_SIZE) != NULL)
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
