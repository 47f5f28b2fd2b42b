/* Asking the terminal is done once; from then on every print is a plain fprintf. */
#include "cli/ui/output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/text.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

static struct {
    bool unicode;
    bool colour[3]; /* by file descriptor */
} terminal;

/* A closed standard stream's number would be given to the next file that is opened, a key's for one,
 * and what is printed would go there. What stands in for it can be neither read nor written. */
static void hold_streams(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
        if (fcntl(file, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[file]) != file)
            abort();
}

void output_setup(void)
{
    hold_streams();
    setlocale(LC_CTYPE, "");
    terminal.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const char *type = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool wanted = (no_colour == NULL || no_colour[0] == '\0') && type != NULL && type[0] != '\0' &&
                  strcmp(type, "dumb") != 0;
    for (int file = STDOUT_FILENO; file <= STDERR_FILENO; file++)
        terminal.colour[file] = wanted && isatty(file) == 1;
}

static bool has_colour(FILE *stream)
{
    return (stream == stdout && terminal.colour[STDOUT_FILENO]) ||
           (stream == stderr && terminal.colour[STDERR_FILENO]);
}

const char *style_on(FILE *stream, enum style style)
{
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "",        [STYLE_BOLD] = "\033[1m",  [STYLE_DIM] = "\033[2m",
        [STYLE_GOOD] = "\033[32m", [STYLE_WARN] = "\033[33m", [STYLE_BAD] = "\033[31m",
    };
    return has_colour(stream) ? sequences[style] : "";
}

const char *style_off(FILE *stream)
{
    return has_colour(stream) ? "\033[0m" : "";
}

void output_error(const struct err *err)
{
    char safe[4 * ERR_TEXT_MAX];
    text_safe(safe, sizeof(safe), err->text, strlen(err->text));
    fprintf(stderr, "%secbak:%s %s\n", style_on(stderr, STYLE_BAD), style_off(stderr), safe);
}

void output_warning(const char *format, ...)
{
    char text[2 * ERR_TEXT_MAX], safe[4 * sizeof(text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_safe(safe, sizeof(safe), text, strlen(text));
    fprintf(stderr, "%secbak: warning:%s %s\n", style_on(stderr, STYLE_WARN), style_off(stderr),
            safe);
}

void output_note(const char *text)
{
    char safe[4 * ERR_TEXT_MAX];
    text_safe(safe, sizeof(safe), text, strlen(text));
    fprintf(stderr, "%secbak: %s%s\n", style_on(stderr, STYLE_DIM), safe, style_off(stderr));
}

void output_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    fputc('\n', stdout);
    json_decref(value);
}

json_t *json_hex(const uint8_t *bytes, size_t size)
{
    char *hex = alloc_zero(1, 2 * size + 1);
    json_t *value = json_string(hex_encode(hex, bytes, size));
    free(hex);
    return value;
}

json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    size_t room = 4 * strlen(text) + 1;
    char *safe = alloc_zero(1, room);
    text_safe(safe, room, text, strlen(text));
    value = json_string(safe);
    free(safe);
    return value;
}

json_t *json_figure(double value)
{
    if (!(value >= 0) || isinf(value))
        return json_null();
    return json_real(round(value * 1000) / 1000);
}

void table_init(struct table *table, size_t columns, uint32_t right)
{
    assert(columns > 0 && columns <= TABLE_COLUMNS_MAX);
    *table =
        (struct table){.columns = columns, .width_max = SIZE_MAX, .line_end = "\n", .right = right};
}

void table_add(struct table *table, enum style style, const char *format, ...)
{
    char text[1024], safe[4 * sizeof(text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_safe(safe, sizeof(safe), text, strlen(text));
    table->cells = alloc_grow(table->cells, table->count + 1, sizeof(*table->cells));
    table->cells[table->count++] = (struct table_cell){alloc_text(safe), style};
}

static void measure(const struct table *table, size_t wide[TABLE_COLUMNS_MAX])
{
    memset(wide, 0, TABLE_COLUMNS_MAX * sizeof(wide[0]));
    for (size_t i = 0; i < table->count; i++) {
        size_t width = text_width(table->cells[i].text), column = i % table->columns;
        if (width > wide[column])
            wide[column] = width;
    }
}

size_t table_width(const struct table *table)
{
    size_t wide[TABLE_COLUMNS_MAX], width = 2 * (table->columns - 1);
    measure(table, wide);
    for (size_t column = 0; column < table->columns; column++)
        width += wide[column];
    return width;
}

/* Of what is left of the line. */
static void pad(FILE *to, size_t blanks, size_t *left)
{
    for (; blanks > 0 && *left > 0; blanks--, (*left)--)
        fputc(' ', to);
}

void table_print(const struct table *table, FILE *to)
{
    size_t wide[TABLE_COLUMNS_MAX], left = table->width_max;
    assert(table->count % table->columns == 0);
    measure(table, wide);
    for (size_t i = 0; i < table->count; i++) {
        const struct table_cell *cell = &table->cells[i];
        size_t column = i % table->columns, width = text_width(cell->text);
        bool right = (table->right >> column & 1) != 0, last = column + 1 == table->columns;
        if (right)
            pad(to, wide[column] - width, &left);
        if (left > 0)
            fprintf(to, "%s%.*s%s", style_on(to, cell->style), (int)text_fit(cell->text, left),
                    cell->text, style_off(to));
        left -= width < left ? width : left;
        if (last) {
            fputs(table->line_end, to);
            left = table->width_max;
            continue;
        }
        pad(to, (right ? 0 : wide[column] - width) + 2, &left);
    }
}

void table_release(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    *table = (struct table){0};
}

char *output_bar(char to[BAR_TEXT_MAX], size_t width, uint64_t part, uint64_t whole)
{
    static const char *const eighths[] = {"",       "\u258f", "\u258e", "\u258d",
                                          "\u258c", "\u258b", "\u258a", "\u2589"};
    double share = whole == 0 ? 0 : (double)part / (double)whole;
    size_t steps = terminal.unicode ? 8 : 1; /* of one character */
    size_t full = share >= 1 ? width * steps : (size_t)(share * (double)(width * steps) + 0.5);
    if (full == 0 && part > 0)
        full = 1; /* something is not nothing */
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < width; i++) {
        size_t left = full > i * steps ? full - i * steps : 0;
        const char *piece = left >= steps ? (terminal.unicode ? "\u2588" : "#")
                            : left > 0    ? eighths[left]
                                          : (terminal.unicode ? "\u2591" : "-");
        if (used + strlen(piece) >= BAR_TEXT_MAX)
            break;
        used += (size_t)snprintf(to + used, BAR_TEXT_MAX - used, "%s", piece);
    }
    return to;
}
