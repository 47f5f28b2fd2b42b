/* Signal handlers only set flags; screen_wait acts on them, between two frames. stdout's buffer
 * holds a whole frame, so that it reaches the terminal by one write. */
#include "cli/ui/screen.h"
#include "node/common/wait.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES_MAX (256 * 1024)

#define ENTER "\033[?1049h\033[?25l\033[2J" /* alternate screen, no cursor, clear */
#define LEAVE "\033[?25h\033[?1049l"

static bool is_open, is_buffered;
static volatile sig_atomic_t end_signal, stop_asked, resized;
static char frame[FRAME_BYTES_MAX];

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else if (number == SIGTSTP)
        stop_asked = 1;
    else
        end_signal = number;
}

bool screen_possible(void)
{
    const char *type = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && type != NULL && type[0] != '\0' &&
           strcmp(type, "dumb") != 0;
}

void screen_open(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH};
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waits end early */
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    if (!is_buffered)
        setvbuf(stdout, frame, _IOFBF, sizeof(frame));
    is_buffered = true;
    fputs(ENTER, stdout);
    fflush(stdout);
    is_open = true;
}

void screen_close(void)
{
    if (!is_open)
        return;
    is_open = false;
    fputs(LEAVE, stdout);
    fflush(stdout);
}

void screen_size(size_t *columns, size_t *rows)
{
    struct winsize window;
    *columns = 79;
    *rows = 23;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col < 2 || window.ws_row < 2)
        return;
    *columns = window.ws_col - 1u; /* in the last one some terminals clear what was just written */
    *rows = window.ws_row - 1u;    /* the end of the last line would scroll */
}

void screen_begin(void)
{
    fputs("\033[H", stdout);
}

int screen_end(struct err *err)
{
    fputs("\033[J", stdout);
    if (fflush(stdout) != 0)
        return err_errno(err, "writing to the terminal");
    return 0;
}

bool screen_wait(int64_t wait_ms)
{
    if (!end_signal && !stop_asked && !resized)
        wait_pause(wait_ms);
    bool changed = resized != 0;
    resized = 0;
    if (!stop_asked || end_signal)
        return changed;
    stop_asked = 0;
    screen_close();
    raise(SIGSTOP);
    screen_open();
    return true;
}

bool screen_ended(void)
{
    return end_signal != 0;
}

void screen_die(void)
{
    if (end_signal == 0)
        return;
    signal(end_signal, SIG_DFL);
    raise(end_signal);
}
