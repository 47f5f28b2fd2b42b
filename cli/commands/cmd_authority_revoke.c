/* ecbak authority revoke - signs that a machine is a member no more. */
#include <stdio.h>
#include <unistd.h>

#include "cli/admit/issuer.h"
#include "cli/commands/commands.h"
#include "cli/commands/revocation_publish.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"

struct revoking {
    struct issuer *issuer;
    struct client *client; /* NULL: not published */
    const char *reason;
    bool only;
    json_t *revoked; /* NULL: print lines */
};

static int revoke_one(struct revoking *v, const struct cert *cert, struct err *err)
{
    struct revocation r;
    char armor[REVOCATION_ARMOR_MAX];
    bool known;
    if (issuer_revoke(v->issuer, cert, v->only, v->reason, &r, err) != 0 ||
        revocation_armor(armor, &r, err) != 0)
        return -1;
    if (v->revoked != NULL)
        json_array_append_new(v->revoked, revocation_json(&r, armor));
    else
        printf("%s\n", armor);
    if (v->client != NULL && revocation_publish(v->client, &r, &known, err) != 0)
        return err_context(err, "%s is signed, but not published", r.name);
    return 0;
}

static int revoke_line(void *ctx, const char *text, struct err *err)
{
    struct revoking *v = ctx;
    struct cert cert;
    return issuer_find(v->issuer, text, &cert, err) == 0 ? revoke_one(v, &cert, err) : -1;
}

int cmd_authority_revoke(int argc, char **argv)
{
    struct revoking v = {.reason = NULL};
    const char *dir = ".";
    bool publish = false;
    const struct option options[] = {
        {'d', "dir", OPTION_TEXT, &dir, "DIR", "where the authority is (default: this folder)"},
        {'r', "reason", OPTION_TEXT, &v.reason, "TEXT", "why: shown to everybody in the cluster"},
        {'p', "publish", OPTION_FLAG, &publish, NULL,
         "give it to this machine's node at once, as 'ecbak revoke' does"},
        {0, "only", OPTION_FLAG, &v.only, NULL,
         "revoke this one certificate, not the machine: after its keys\nwere changed, the old "
         "ones"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak authority revoke",
        .exits = EXIT_BIT(EXIT_KEY) | EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... NAME | ID | CERTIFICATE | FILE...",
        .about =
            "Signs that machines are members no more, and prints a revocation a line. A machine\n"
            "is given by the file with its certificate, the certificate itself, or the name or id\n"
            "of one that was signed here. It cannot come back under another name: its id and its\n"
            "key are refused for ever. 'ecbak revoke' on any member tells the cluster, or\n"
            "--publish does when this machine is one. Revoking again prints the same line.",
        .examples = "  ecbak authority revoke --dir ~/ecbak-authority --publish node7\n"
                    "  ecbak authority revoke -d ~/authority --reason 'sold' node7.cert > "
                    "node7.revocation\n"
                    "  ecbak authority revoke -d ~/authority --only old-node7.cert | ssh node1 "
                    "ecbak revoke",
        .options = options,
        .uses = USES_NODE,
        .operands_min = 1,
        .operands_max = SIZE_MAX,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    int status = issuer_open(&v.issuer, dir, &err);
    if (status == 0 && publish)
        status = client_open(&v.client, line.socket, &err);
    if (line.json)
        v.revoked = json_array();
    for (size_t i = 0; status == 0 && i < line.operand_count; i++) {
        const char *operand = line.operands[i];
        /* A name has no slash; a file of that name in this folder is meant only when nobody has
         * it. */
        struct cert cert;
        status = issuer_find(v.issuer, operand, &cert, &err);
        if (status == 0)
            status = revoke_one(&v, &cert, &err);
        else if (err.code == ERR_NOT_FOUND && access(operand, R_OK) == 0)
            status = command_each_line(operand, revoke_line, &v, &err);
    }
    if (status == 0 && line.json)
        output_json(json_incref(v.revoked));
    json_decref(v.revoked);
    client_close(&v.client);
    issuer_close(&v.issuer);
    return command_end(&line, status, &err);
}
