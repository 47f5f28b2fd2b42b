/* A table, a search, a call. `help NAME` is NAME --help, so that each text exists once. */
#include "cli/ui/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/suggest.h"
#include "coding/base/bytes.h"
#include "node/trust/cert.h"

/* Of one line: the longest armored one has half of it. */
#define LINE_SIZE_MAX 1024

static void print_help(const struct command_group *group, FILE *to)
{
    const char *on = style_on(to, STYLE_BOLD), *off = style_off(to);
    fprintf(to, "%sUsage:%s %s COMMAND [OPTION]...\n\n%s\n\n%sCommands%s\n", on, off, group->name,
            group->about, on, off);
    for (const struct command *c = group->commands; c->name != NULL; c++)
        fprintf(to, "  %-11s %s\n", c->name, c->summary);
    fprintf(to, "\n%s\n", group->ending);
}

static const struct command *find(const struct command_group *group, const char *name,
                                  struct suggestion *near)
{
    for (const struct command *c = group->commands; c->name != NULL; c++) {
        suggest_consider(near, name, c->name);
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static int refuse(const struct command_group *group, const char *name, const char *near,
                  struct err *err)
{
    for (const struct command_hint *h = group->hints; h != NULL && h->word != NULL; h++)
        if (strcmp(h->word, name) == 0)
            return err_set(err, ERR_USAGE, "there is no command '%s'%s", name, h->text);
    if (near == NULL)
        return err_set(err, ERR_USAGE, "there is no command '%s'", name);
    return err_set(err, ERR_USAGE, "there is no command '%s'; did you mean '%s %s'?", name,
                   group->name, near);
}

int command_group_run(const struct command_group *group, int argc, char **argv)
{
    if (argc < 2) {
        print_help(group, stderr);
        return EXIT_USAGE;
    }
    char help_option[] = "--help";
    char *help[] = {argv[1], help_option, NULL};
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
        (strcmp(name, "help") == 0 && argc == 2)) {
        print_help(group, stdout);
        return EXIT_DONE;
    }
    bool wants_help = strcmp(name, "help") == 0;
    if (wants_help) {
        name = argv[2];
        help[0] = argv[2];
    }
    struct suggestion near = {0};
    const struct command *command = find(group, name, &near);
    if (command != NULL)
        return wants_help ? command->run(2, help) : command->run(argc - 1, argv + 1);
    struct err err = ERR_INIT;
    (void)refuse(group, name, near.word, &err);
    output_error(&err);
    fprintf(stderr, "Try '%s --help'.\n", group->name);
    return EXIT_USAGE;
}

int command_each_line(const char *path, int (*each)(void *ctx, const char *line, struct err *err),
                      void *ctx, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(path, "re");
    if (in == NULL)
        return err_errno(err, "opening %s", path);
    char text[LINE_SIZE_MAX];
    int status = 0;
    size_t lines = 0;
    while (status == 0 && fgets(text, sizeof(text), in) != NULL) {
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0] == '\0')
            continue;
        lines++;
        status = each(ctx, text, err);
    }
    if (status == 0 && ferror(in) != 0)
        status = err_errno(err, "reading");
    else if (status == 0 && lines == 0)
        status = err_set(err, ERR_FORMAT, "there is nothing in it");
    if (!is_stdin)
        fclose(in);
    return status == 0 ? 0 : err_context(err, "%s", is_stdin ? "standard input" : path);
}

int command_each_operand(const struct command_line *line, const char *armor,
                         int (*each)(void *ctx, const char *line, struct err *err), void *ctx,
                         struct err *err)
{
    int status = line->operand_count == 0 ? command_each_line("-", each, ctx, err) : 0;
    for (size_t i = 0; status == 0 && i < line->operand_count; i++) {
        const char *operand = line->operands[i];
        bool is_line = armor != NULL && strncmp(operand, armor, strlen(armor)) == 0;
        status = is_line ? each(ctx, operand, err) : command_each_line(operand, each, ctx, err);
    }
    return status;
}

void command_warn_replaced(const struct cert *replaced)
{
    char id[17];
    if (replaced->name[0] != '\0')
        output_warning("node %s has a certificate as %s too, and keeps it: revoke it if it is gone "
                       "(ecbak authority revoke %s)",
                       hex_encode(id, replaced->node.bytes, 8), replaced->name, id);
}
