/* Reading and writing go through read(2) and write(2) and buffers that are wiped. The terminal's
 * alternate screen keeps a typed phrase out of the scroll-back; it is left again also when the
 * person gives up with ctrl-C. */
#include "cli/ui/phrase_io.h"
#include "cli/base/undumpable.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/ui/output.h"

#define SCREEN_ENTER "\033[?1049h\033[H"
#define SCREEN_LEAVE "\033[?1049l"

static int write_all(int file, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = write(file, text, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        text += done;
        size -= (size_t)done;
    }
    return 0;
}

/* A reader that is gone is an error like any other, which the caller has to answer; a full disk may
 * say so no earlier than when its cache is written back. Pipes and terminals have none. */
int secret_print(const char *text, struct err *err)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before);
    bool done = fflush(stdout) == 0 && write_all(STDOUT_FILENO, text, strlen(text)) == 0 &&
                (fsync(STDOUT_FILENO) == 0 || errno == EINVAL || errno == EROFS);
    int result = done ? 0 : err_errno(err, "writing to standard output");
    sigaction(SIGPIPE, &before, NULL);
    return result;
}

static int word_count(const char *text)
{
    int words = 0;
    bool inside = false;
    for (; *text != '\0'; text++) {
        bool letter = !isspace((unsigned char)*text);
        words += letter && !inside;
        inside = letter;
    }
    return words;
}

/* Reads to the end, or, from a terminal, until there are enough words. */
static int read_words(char text[PHRASE_INPUT_MAX], int file, bool terminal, struct err *err)
{
    size_t used = 0;
    for (;;) {
        if (used + 1 >= PHRASE_INPUT_MAX)
            return err_set(err, ERR_KEY, "that is far too long for a recovery phrase of %d words",
                           PHRASE_WORDS);
        ssize_t got = read(file, text + used, PHRASE_INPUT_MAX - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "reading the recovery phrase");
        used += (size_t)got;
        text[used] = '\0';
        if (got == 0)
            break;
        /* A NUL would hide what comes after it. */
        if (memchr(text, '\0', used) != NULL)
            return err_set(err, ERR_KEY, "a recovery phrase is text; this is not");
        bool empty_line = got == 1 && text[used - 1] == '\n';
        if (terminal && text[used - 1] == '\n' && (word_count(text) >= PHRASE_WORDS || empty_line))
            break;
    }
    if (word_count(text) == 0)
        return err_set(err, ERR_KEY, "no recovery phrase was given");
    return 0;
}

static void leave_screen(int number)
{
    (void)!write(STDERR_FILENO, SCREEN_LEAVE, sizeof(SCREEN_LEAVE) - 1);
    signal(number, SIG_DFL);
    raise(number);
}

static int ask(char text[PHRASE_INPUT_MAX], struct err *err)
{
    bool own_screen = style_on(stderr, STYLE_BOLD)[0] != '\0';
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before[3], during = {.sa_handler = leave_screen};
    for (size_t i = 0; own_screen && i < 3; i++)
        sigaction(numbers[i], &during, &before[i]);
    fprintf(
        stderr,
        "%s%sRecovery phrase%s\n\n"
        "Type its %d words, in as many lines as you like. The first four letters of a word do.\n"
        "An empty line ends it.\n\n",
        own_screen ? SCREEN_ENTER : "", style_on(stderr, STYLE_BOLD), style_off(stderr),
        PHRASE_WORDS);
    fflush(stderr);
    int status = read_words(text, STDIN_FILENO, true, err);
    if (own_screen)
        (void)!write(STDERR_FILENO, SCREEN_LEAVE, sizeof(SCREEN_LEAVE) - 1);
    for (size_t i = 0; own_screen && i < 3; i++)
        sigaction(numbers[i], &before[i], NULL);
    return status;
}

int phrase_read(char text[PHRASE_INPUT_MAX], const char *file, struct err *err)
{
    undumpable_begin();
    if (file == NULL && isatty(STDIN_FILENO) == 1)
        return ask(text, err);
    if (file == NULL || strcmp(file, "-") == 0)
        return read_words(text, STDIN_FILENO, false, err);
    int in = open(file, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return err_errno(err, "opening %s", file);
    int status = read_words(text, in, false, err);
    close(in);
    return status == 0 ? 0 : err_context(err, "%s", file);
}

int phrase_print(const char *phrase, bool plain, struct err *err)
{
    char page[PHRASE_WORDS * 24];
    size_t used = 0;
    int number = 0;
    for (const char *at = phrase; *at != '\0'; number++) {
        size_t length = strcspn(at, " ");
        if (plain)
            used += (size_t)snprintf(page + used, sizeof(page) - used, "%s%.*s",
                                     number > 0 ? " " : "", (int)length, at);
        else
            used += (size_t)snprintf(page + used, sizeof(page) - used, "%s%2d %-10.*s",
                                     number % 5 == 0 ? (number > 0 ? "\n    " : "    ") : " ",
                                     number + 1, (int)length, at);
        at += length;
        at += strspn(at, " ");
    }
    snprintf(page + used, sizeof(page) - used, "\n");
    int status = secret_print(page, err);
    sodium_memzero(page, sizeof(page));
    return status;
}
