/* ecbak revoke - gives what the authority signed to this machine's node, which spreads it. */
#include <stdio.h>

#include "cli/commands/commands.h"
#include "cli/commands/revocation_publish.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"

struct publishing {
    const struct command_line *line;
    struct client *client;
    json_t *published; /* NULL: print lines */
};

static int publish_line(void *ctx, const char *text, struct err *err)
{
    struct publishing *p = ctx;
    struct revocation r;
    bool known;
    if (revocation_unarmor(&r, text, err) != 0 ||
        revocation_publish(p->client, &r, &known, err) != 0)
        return -1;
    if (p->published != NULL)
        json_array_append_new(p->published, revocation_json(&r, NULL));
    else if (!p->line->quiet)
        printf("%s is revoked%s; the other members learn it within seconds.\n", r.name,
               known ? ", and was before" : "");
    return 0;
}

int cmd_revoke(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak revoke",
        .exits = EXIT_BIT(EXIT_KEY) | EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... [REVOCATION | FILE]...",
        .about =
            "Gives revocations that 'ecbak authority revoke' signed to this machine's node. It\n"
            "proves and keeps them and tells the others; those that are away learn it when they\n"
            "are back. Any one member will do, but for the revoked one. A revoked member is shut\n"
            "out at once: it can ask and store nothing. What it holds can still be fetched from\n"
            "it while it runs, and the next 'ecbak store' of each vault puts it elsewhere.",
        .examples =
            "  ecbak revoke node7.revocation\n"
            "  ecbak authority revoke --dir ~/ecbak-authority node7 | ssh node1 ecbak revoke",
        .uses = USES_NODE,
        .operands_max = SIZE_MAX,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct publishing p = {.line = &line, .published = line.json ? json_array() : NULL};
    int status = client_open(&p.client, line.socket, &err);
    if (status == 0)
        status = command_each_operand(&line, REVOCATION_ARMOR, publish_line, &p, &err);
    if (status == 0 && line.json)
        output_json(json_incref(p.published));
    json_decref(p.published);
    client_close(&p.client);
    return command_end(&line, status, &err);
}
