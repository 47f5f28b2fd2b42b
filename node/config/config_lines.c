/* ZPL, as far as a configuration needs it (rfc.zeromq.org/spec/4): four spaces a level, a name, and
 * perhaps "= value"; a value in quotes may hold a "#", which otherwise starts a comment. */
#include "node/config/config_lines.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

#define INDENT 4
#define BLANK  " \t\r"

static const char name_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/* Nothing but blanks and a comment. */
static bool is_rest_empty(const char *at)
{
    at += strspn(at, BLANK);
    return *at == '\0' || *at == '#';
}

/* What is wrong with a line that carries an item, or NULL. */
static const char *find_fault(const char *line, size_t *level)
{
    size_t indent = strspn(line, " ");
    const char *at = line + indent;
    size_t length = strspn(at, name_characters);
    if (length == 0)
        return "a name (letters, digits, - and _) is expected after spaces only";
    if (indent % INDENT != 0)
        return "sections are indented by exactly four spaces a level";
    *level = indent / INDENT;
    at += length;
    if (*at != '\0' && strchr(BLANK "=#", *at) == NULL)
        return "a name has letters, digits, - and _ only";
    if (is_rest_empty(at))
        return NULL;
    at += strspn(at, BLANK);
    if (*at != '=')
        return "\"=\" is expected after the name";
    at++;
    at += strspn(at, BLANK);
    if (*at != '"' && *at != '\'')
        return NULL;
    const char *end = strchr(at + 1, *at);
    if (end == NULL)
        return "the quotes are not closed";
    if (!is_rest_empty(end + 1))
        return "nothing but a comment may follow the closing quote";
    return NULL;
}

static int read_line(struct config_lines *lines, const char *line, unsigned number, size_t *depth,
                     const char *origin, struct err *err)
{
    size_t level = 0;
    if (is_rest_empty(line))
        return 0;
    const char *fault = find_fault(line, &level);
    if (fault == NULL && level > *depth)
        fault = "it is indented deeper than the section that it could belong to";
    if (fault == NULL && lines->count == CONFIG_ITEMS_MAX)
        fault = "more than 256 items";
    if (fault != NULL)
        return err_set(err, ERR_FORMAT, "%s:%u: %s", origin, number, fault);
    *depth = level + 1;
    lines->number = alloc_grow(lines->number, lines->count + 1, sizeof(lines->number[0]));
    lines->number[lines->count++] = number;
    return 0;
}

int config_lines_read(struct config_lines *lines, const char *text, size_t size, const char *origin,
                      struct err *err)
{
    char line[CONFIG_LINE_MAX + 1];
    size_t depth = 0;
    unsigned number = 0;
    *lines = (struct config_lines){NULL, 0};
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end == NULL ? size : (size_t)(end - text);
        const char *fault = NULL;
        number++;
        if (length > CONFIG_LINE_MAX)
            fault = "the line is longer than 1000 bytes";
        else if (memchr(text, '\0', length) != NULL)
            fault = "a zero byte: this is no text";
        if (fault != NULL) {
            config_lines_release(lines);
            return err_set(err, ERR_FORMAT, "%s:%u: %s", origin, number, fault);
        }
        memcpy(line, text, length);
        line[length] = '\0';
        if (read_line(lines, line, number, &depth, origin, err) != 0) {
            config_lines_release(lines);
            return -1;
        }
        size_t taken = length + (end == NULL ? 0 : 1);
        text += taken;
        size -= taken;
    }
    return 0;
}

void config_lines_release(struct config_lines *lines)
{
    free(lines->number);
    *lines = (struct config_lines){NULL, 0};
}
