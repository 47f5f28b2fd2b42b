/* output.h - what a command prints: text for people, one JSON line for programs.
 *
 * Results go to stdout, everything else (errors, warnings, advice) to stderr. Colours only where
 * the stream is a terminal, TERM is not "dumb" and NO_COLOR is not set; bars and marks beyond ASCII
 * only in a UTF-8 locale.
 *
 *   Memory   output_json takes the value over
 *   Threads  the command's main thread; output_warning any
 */
#ifndef ECBAK_CLI_UI_OUTPUT_H
#define ECBAK_CLI_UI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "coding/base/err.h"

enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
};

/* Call once, before anything is printed. */
void output_setup(void);
/* The sequences that switch a style on and off again on this stream; "" where it has no colours. */
const char *style_on(FILE *stream, enum style style);
const char *style_off(FILE *stream);

/* "ecbak: text" on stderr, also with --json: programs go by the exit status. */
void output_error(const struct err *err);
/* "ecbak: warning: text" on stderr; control characters are escaped. */
void output_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "ecbak: text" on stderr, of what goes on. */
void output_note(const char *text);

/* One line of JSON on stdout. Takes value over. */
void output_json(json_t *value);
json_t *json_hex(const uint8_t *bytes, size_t size);
/* Any bytes as a JSON string: what is not UTF-8 comes out as \xNN text. */
json_t *json_text(const char *text);
/* Rounded to three digits after the point; null for what is not known (< 0). */
json_t *json_figure(double value);

/* A table: columns as wide as their widest cell, two blanks between. */
#define TABLE_COLUMNS_MAX 16
struct table_cell {
    char *text;
    enum style style;
};
struct table {
    size_t columns;
    size_t width_max;     /* lines are cut there; table_init: never */
    const char *line_end; /* table_init: "\n" */
    uint32_t right;       /* bit i: column i is set flush right */
    struct table_cell *cells;
    size_t count;
};
void table_init(struct table *table, size_t columns, uint32_t right);
/* Adds the next cell, row after row; the text is escaped. */
void table_add(struct table *table, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t table_width(const struct table *table);
void table_print(const struct table *table, FILE *to);
void table_release(struct table *table);

/* A bar of `width` characters, filled by part/whole. */
#define BAR_TEXT_MAX 64
char *output_bar(char to[BAR_TEXT_MAX], size_t width, uint64_t part, uint64_t whole);

#endif
