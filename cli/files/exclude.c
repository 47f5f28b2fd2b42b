/* A matcher of its own rather than fnmatch(3), which has no `**` and whose classes depend on the
 * locale: names are bytes here. It backtracks to the last star only, so a hostile pattern costs
 * length x length, never more.
 */
#include "cli/files/exclude.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

#define BLANKS          " \t\r\n"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct pattern {
    char *text;        /* without the final '/', and without a leading one when not rooted */
    bool takes_in;     /* it began with '!' */
    bool folders_only; /* it ended in '/' */
    bool has_slash;    /* matched against paths, not names */
    bool rooted;       /* against whole paths */
};

struct exclude {
    struct pattern *patterns;
    size_t count;
};

struct exclude *exclude_new(void)
{
    return alloc_zero(1, sizeof(struct exclude));
}

void exclude_destroy(struct exclude **exclude)
{
    if (*exclude == NULL)
        return;
    for (size_t i = 0; i < (*exclude)->count; i++)
        free((*exclude)->patterns[i].text);
    free((*exclude)->patterns);
    free(*exclude);
    *exclude = NULL;
}

int exclude_add(struct exclude *exclude, const char *pattern, struct err *err)
{
    bool takes_in = pattern[0] == '!';
    pattern += takes_in;
    size_t size = strlen(pattern);
    if (size == 0 || size >= EXCLUDE_PATTERN_MAX || strcmp(pattern, "/") == 0)
        return err_set(err, ERR_USAGE, "a pattern must have 1 to %d bytes and not be '/'",
                       EXCLUDE_PATTERN_MAX - 1);
    struct pattern new = {.text = alloc_text(pattern), .takes_in = takes_in};
    while (size > 1 && new.text[size - 1] == '/') {
        new.text[--size] = '\0';
        new.folders_only = true;
    }
    new.has_slash = strchr(new.text, '/') != NULL;
    new.rooted = new.text[0] == '/';
    exclude->patterns =
        alloc_grow(exclude->patterns, exclude->count + 1, sizeof(exclude->patterns[0]));
    exclude->patterns[exclude->count++] = new;
    return 0;
}

int exclude_add_file(struct exclude *exclude, const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_errno(err, "reading patterns from %s", path);
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    int result = 0;
    for (unsigned number = 1; result == 0 && (size = getline(&line, &room, file)) >= 0; number++) {
        while (size > 0 && strchr(BLANKS, line[size - 1]) != NULL)
            line[--size] = '\0';
        const char *pattern = line;
        if (number == 1 && strncmp(pattern, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
            pattern += strlen(BYTE_ORDER_MARK);
        pattern += strspn(pattern, BLANKS);
        if (pattern[0] != '\0' && pattern[0] != '#' && exclude_add(exclude, pattern, err) != 0)
            result = err_context(err, "%s line %u", path, number);
    }
    if (result == 0 && ferror(file))
        result = err_errno(err, "reading patterns from %s", path);
    free(line);
    fclose(file);
    return result;
}

/* Is c in the class that starts after '['? *end is set behind its ']'; a class that never ends is
 * the character '[' itself, which the caller sees by *end == NULL. */
static bool class_matches(const char *class, char c, const char **end)
{
    const char *at = class;
    bool negated = *at == '!' || *at == '^';
    if (negated)
        at++;
    bool found = false;
    for (bool first = true; *at != '\0' && (first || *at != ']'); first = false) {
        unsigned char low = (unsigned char)*at++, high = low;
        if (at[0] == '-' && at[1] != '\0' && at[1] != ']') {
            high = (unsigned char)at[1];
            at += 2;
        }
        if ((unsigned char)c >= low && (unsigned char)c <= high)
            found = true;
    }
    *end = *at == ']' ? at + 1 : NULL;
    return found != negated;
}

/* One pattern element that is no star, against one character; the element's end, or NULL. */
static const char *element_matches(const char *pattern, char c)
{
    if (*pattern == '\0')
        return NULL;
    if (*pattern == '?')
        return c != '/' ? pattern + 1 : NULL;
    if (*pattern == '[' && c != '/') {
        const char *end;
        bool matches = class_matches(pattern + 1, c, &end);
        if (end != NULL)
            return matches ? end : NULL;
    }
    if (*pattern == '\\' && pattern[1] != '\0')
        pattern++;
    return *pattern == c ? pattern + 1 : NULL;
}

static bool glob_matches(const char *pattern, const char *text)
{
    /* Where to go on after a mismatch: the last `*` (which eats one more byte, but no '/'), and the
     * last `**` (which eats anything) or `**` with a '/' behind it (which eats whole names). */
    const char *star = NULL, *star_text = NULL, *deep = NULL, *deep_text = NULL;
    bool deep_names = false;
    while (*text != '\0' || *pattern != '\0') {
        if (pattern[0] == '*' && pattern[1] == '*') {
            deep_names = pattern[2] == '/';
            pattern += deep_names ? 3 : 2;
            deep = pattern;
            deep_text = text;
            star = NULL;
            continue;
        }
        if (*pattern == '*') {
            star = ++pattern;
            star_text = text;
            continue;
        }
        const char *next = *text != '\0' ? element_matches(pattern, *text) : NULL;
        if (next != NULL) {
            pattern = next;
            text++;
            continue;
        }
        if (star != NULL && *star_text != '\0' && *star_text != '/') {
            text = ++star_text;
            pattern = star;
            continue;
        }
        if (deep != NULL && deep_names)
            deep_text = strchr(deep_text, '/');
        if (deep == NULL || deep_text == NULL || *deep_text == '\0')
            return false;
        text = ++deep_text;
        pattern = deep;
        star = NULL;
    }
    return true;
}

static bool pattern_matches(const struct pattern *pattern, const char *path)
{
    if (pattern->rooted)
        return glob_matches(pattern->text, path);
    if (!pattern->has_slash) {
        const char *slash = strrchr(path, '/');
        return glob_matches(pattern->text, slash != NULL ? slash + 1 : path);
    }
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        if (*at == '/')
            at++;
        if (glob_matches(pattern->text, at))
            return true;
    }
    return false;
}

bool exclude_matches(const struct exclude *exclude, const char *path, bool is_directory)
{
    if (exclude == NULL)
        return false;
    for (size_t i = exclude->count; i-- > 0;) {
        const struct pattern *pattern = &exclude->patterns[i];
        if ((is_directory || !pattern->folders_only) && pattern_matches(pattern, path))
            return !pattern->takes_in;
    }
    return false;
}
