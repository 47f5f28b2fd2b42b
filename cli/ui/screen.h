/* screen.h - the terminal as one view that is painted again and again in its place.
 *
 * The view is on the terminal's alternate screen, so what was there before, and what can be
 * scrolled back to, is untouched; the cursor is hidden. A frame is written at once, over the one
 * before: nothing flickers. Whatever ends the program (ctrl-C, SIGTERM, a lost terminal, an error)
 * ends the view first; ctrl-Z leaves it for as long as the program is stopped.
 *
 *   Between  screen_begin and screen_end print lines to stdout, each ended by SCREEN_LINE_END, of
 *            at most `columns` characters, at most `rows` of them
 *   Threads  the command's main thread
 */
#ifndef ECBAK_CLI_UI_SCREEN_H
#define ECBAK_CLI_UI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

/* Clears what an earlier, longer line left behind. */
#define SCREEN_LINE_END "\033[K\n"

/* Whether stdout is a terminal that can do this. */
bool screen_possible(void);
void screen_open(void);
/* Harmless when no view is open. */
void screen_close(void);

/* What fits now: read it anew for each frame. */
void screen_size(size_t *columns, size_t *rows);
void screen_begin(void);
int screen_end(struct err *err) MUST_CHECK;

/* Waits, less long when the window changed its size or the program was stopped and goes on: true,
 * then the view is to be painted at once. */
bool screen_wait(int64_t wait_ms);
/* A signal asked for the end. */
bool screen_ended(void);
/* After screen_close: dies of the signal that asked for it, as the shell expects; returns when
 * there was none. */
void screen_die(void);

#endif
