/* phrase_io.h - a recovery phrase on its way to and from the person.
 *
 * The phrase is the vault. It is never taken from the command line (others can see that), is asked
 * for on a screen of its own that is gone afterwards, and no copy of it stays in memory.
 *
 *   Memory   the caller wipes what phrase_read filled; stdio's buffers never see a phrase
 */
#ifndef ECBAK_CLI_UI_PHRASE_IO_H
#define ECBAK_CLI_UI_PHRASE_IO_H

#include <stdbool.h>

#include "cli/vault/keys.h"
#include "coding/base/err.h"

#define PHRASE_INPUT_MAX 4096 /* what a person may type: any white space, any case */

/* file: NULL asks on the terminal, or takes standard input where that is none; "-" takes standard
 * input; else a file's name. */
int phrase_read(char text[PHRASE_INPUT_MAX], const char *file, struct err *err) MUST_CHECK;

/* The words on stdout: numbered in rows of five, or in one line when `plain`. */
int phrase_print(const char *phrase, bool plain, struct err *err) MUST_CHECK;
/* Writes a text with a secret in it to stdout, past stdio: when it returns 0, the text is there (a
 * pipe's reader has yet to read it). */
int secret_print(const char *text, struct err *err) MUST_CHECK;

#endif
