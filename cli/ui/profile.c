/* Cuts the text where it lies: each word and value ends in a NUL put over the blank behind it. */
#include "cli/ui/profile.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/durable.h"

#define BLANKS " \t\r"

static int make_path(char **path, const char *name, struct err *err)
{
    char made[DURABLE_PATH_MAX];
    bool is_path = strchr(name, '/') != NULL;
    if (!is_path && (name[0] == '\0' || name[0] == '.'))
        return err_set(err, ERR_USAGE, "'%.64s' is no name of a profile", name);
    int length = is_path ? snprintf(made, sizeof(made), "%s", name)
                         : snprintf(made, sizeof(made), PROFILE_FOLDER "/%s.conf", name);
    if (length < 0 || (size_t)length >= sizeof(made))
        return err_set(err, ERR_USAGE, "the name of the profile is too long");
    *path = alloc_text(made);
    return 0;
}

static void add_line(struct profile *profile, unsigned number, char *line)
{
    char *word = line + strspn(line, BLANKS);
    for (size_t size = strlen(word); size > 0 && strchr(BLANKS, word[size - 1]) != NULL; size--)
        word[size - 1] = '\0';
    if (word[0] == '\0' || word[0] == '#')
        return;
    char *value = word + strcspn(word, BLANKS);
    if (*value != '\0') {
        *value++ = '\0';
        value += strspn(value, BLANKS);
    } else {
        value = NULL;
    }
    profile->lines = alloc_grow(profile->lines, profile->count + 1, sizeof(*profile->lines));
    profile->lines[profile->count++] =
        (struct profile_line){.number = number, .word = word, .value = value};
}

int profile_load(struct profile **profile, const char *name, struct err *err)
{
    struct profile *p = alloc_zero(1, sizeof(*p));
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (make_path(&p->path, name, err) != 0)
        goto fail;
    if (durable_read(p->path, PROFILE_SIZE_MAX, &bytes, &size, err) != 0) {
        if (err->code == ERR_NOT_FOUND)
            err_set(err, ERR_USAGE, "there is no profile %s", p->path);
        goto fail;
    }
    p->text = alloc_zero(size + 1, 1);
    if (size > 0)
        memcpy(p->text, bytes, size);
    free(bytes);
    if (strlen(p->text) != size) {
        err_set(err, ERR_USAGE, "%s is no text", p->path);
        goto fail;
    }
    unsigned number = 0;
    for (char *line = p->text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        add_line(p, ++number, line);
    }
    *profile = p;
    return 0;

fail:
    profile_destroy(&p);
    return -1;
}

void profile_destroy(struct profile **profile)
{
    if (*profile == NULL)
        return;
    free((*profile)->path);
    free((*profile)->text);
    free((*profile)->lines);
    free(*profile);
    *profile = NULL;
}
