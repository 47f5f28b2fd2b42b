/* ecbak authority - the operator's key: who may be a member of the cluster. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admit/issuer.h"
#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "coding/base/bytes.h"
#include "node/trust/authority.h"
#include "node/trust/cert.h"

static int cmd_authority_init(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak authority init",
        .exits = EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... DIR",
        .about =
            "Makes the authority of a new cluster in DIR: authority.key, which signs certificates\n"
            "and must stay with the operator, and authority.pub, which every node gets.",
        .examples = "  ecbak authority init ~/ecbak-authority\n"
                    "  ecbak authority init --json /srv/authority",
        .operands_min = 1,
        .operands_max = 1,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    uint8_t public_key[32];
    struct cluster_id cluster;
    int status = authority_init(line.operands[0], public_key, &err);
    if (status == 0) {
        char id[2 * ID_SIZE + 1];
        cluster_id(&cluster, public_key);
        hex_encode(id, cluster.bytes, sizeof(cluster));
        if (line.json)
            output_json(json_pack("{s:s, s:o, s:o}", "cluster", id, "public_key",
                                  json_hex(public_key, sizeof(public_key)), "directory",
                                  json_text(line.operands[0])));
        else if (!line.quiet)
            printf("A new authority in %s, of cluster %.16s.\n"
                   "authority.key signs members: keep it off the nodes, and keep a copy.\n",
                   line.operands[0], id);
    }
    return command_end(&line, status, &err);
}

/* What every certificate of one call has in common. */
struct signing {
    struct issuer *issuer;
    struct issuer_terms terms;
    json_t *signed_json; /* NULL: print lines */
};

static json_t *cert_json(const struct cert *c, const char *armor)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", json_text(c->name));
    json_object_set_new(object, "zone", json_text(c->zone));
    json_object_set_new(object, "node", json_hex(c->node.bytes, ID_SIZE));
    json_object_set_new(object, "cluster", json_hex(c->cluster.bytes, ID_SIZE));
    json_object_set_new(object, "curve", json_hex(c->curve, sizeof(c->curve)));
    json_object_set_new(object, "serial", json_integer((json_int_t)c->serial));
    json_object_set_new(object, "not_before", json_time(c->not_before_s, 0, 0));
    json_object_set_new(object, "not_after", json_time(c->not_after_s, 0, 0));
    json_object_set_new(object, "certificate", json_text(armor));
    return object;
}

static int sign_one(void *ctx, const char *request, struct err *err)
{
    struct signing *signing = ctx;
    struct cert c, replaced;
    char armor[CERT_ARMOR_MAX];
    if (issuer_sign(signing->issuer, request, &signing->terms, &c, &replaced, err) != 0 ||
        cert_armor(armor, &c, err) != 0)
        return -1;
    command_warn_replaced(&replaced);
    if (signing->signed_json != NULL)
        json_array_append_new(signing->signed_json, cert_json(&c, armor));
    else
        printf("%s\n", armor);
    return 0;
}

static int cmd_authority_sign(int argc, char **argv)
{
    struct signing signing = {.terms.days = ISSUER_DAYS_DEFAULT};
    struct issuer_terms *terms = &signing.terms;
    const char *dir = ".";
    const struct option options[] = {
        {'d', "dir", OPTION_TEXT, &dir, "DIR", "where the authority is (default: this folder)"},
        {'n', "name", OPTION_TEXT, &terms->name, "NAME",
         "certify this name, not the one asked for"},
        {'z', "zone", OPTION_TEXT, &terms->zone, "ZONE",
         "certify this zone, not the one asked for"},
        {0, "days", OPTION_NUMBER, &terms->days, "DAYS", "valid for so long (default 3650)"},
        {0, "replace", OPTION_FLAG, &terms->replace, NULL,
         "also a name that another machine has a certificate for;\nthat one is not revoked by it"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak authority sign",
        .exits = EXIT_BIT(EXIT_KEY) | EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... [REQUEST | FILE]...",
        .about =
            "Signs the requests that 'ecbakd --init' printed on the machines to be admitted, and\n"
            "prints a certificate a line. A request is given itself, in a file, or on standard\n"
            "input. The zone names what fails together (a room, a power line, a site): fragments\n"
            "of one object are spread over the zones. Refused are machines that were revoked, and\n"
            "names that others have. What was signed is written down in DIR/issued.",
        .examples =
            "  ecbak authority sign --dir ~/ecbak-authority node7.request > node7.cert\n"
            "  ssh node7 cat /etc/ecbak/node.request | ecbak authority sign -d ~/authority\n"
            "  ecbak authority sign --name attic --zone home --days 365 node7.request",
        .options = options,
        .operands_max = SIZE_MAX,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    int status = -1;
    if (terms->days < 1 || terms->days > ISSUER_DAYS_MAX) {
        err_set(&err, ERR_USAGE, "--days takes 1 to %d", ISSUER_DAYS_MAX);
        goto done;
    }
    if (terms->name != NULL && line.operand_count > 1) {
        err_set(&err, ERR_USAGE, "--name is for one request; two members cannot share a name");
        goto done;
    }
    if (line.json)
        signing.signed_json = json_array();
    if (issuer_open(&signing.issuer, dir, &err) != 0 ||
        command_each_operand(&line, "ecbak-request-", sign_one, &signing, &err) != 0)
        goto done;
    if (line.json)
        output_json(json_incref(signing.signed_json));
    status = 0;
done:
    json_decref(signing.signed_json);
    issuer_close(&signing.issuer);
    return command_end(&line, status, &err);
}

static int show_line(void *ctx, const char *text, struct err *err)
{
    bool json = *(bool *)ctx;
    struct cert c;
    if (cert_unarmor(&c, text, err) != 0)
        return -1;
    if (json) {
        output_json(cert_json(&c, text));
        return 0;
    }
    char id[2 * ID_SIZE + 1], key[2 * sizeof(c.curve) + 1], time[TEXT_SHORT_MAX];
    printf("name     %s\nzone     %s\n", c.name, c.zone);
    printf("node     %s\n", hex_encode(id, c.node.bytes, ID_SIZE));
    printf("key      %s\n", hex_encode(key, c.curve, sizeof(c.curve)));
    printf("cluster  %s\n", hex_encode(id, c.cluster.bytes, ID_SIZE));
    printf("from     %s\n", text_time(time, c.not_before_s));
    printf("until    %s\n", text_time(time, c.not_after_s));
    return 0;
}

static int cmd_authority_show(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak authority show",
        .synopsis = "[OPTION]... [FILE]...",
        .about = "Shows what certificates say. Does not check who signed them; every node does.",
        .examples = "  ecbak authority show /etc/ecbak/node.cert",
        .operands_max = SIZE_MAX,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    int status = command_each_operand(&line, NULL, show_line, &line.json, &err);
    return command_end(&line, status, &err);
}

int cmd_authority(int argc, char **argv)
{
    static const struct command commands[] = {
        {"init", "make the authority of a new cluster", cmd_authority_init},
        {"sign", "admit a machine: sign its request", cmd_authority_sign},
        {"revoke", "shut a member out: sign its revocation", cmd_authority_revoke},
        {"show", "show what a certificate says", cmd_authority_show},
        {NULL, NULL, NULL},
    };
    static const struct command_group group = {
        .name = "ecbak authority",
        .about =
            "The authority is the operator's key: a machine is a member when it has signed its\n"
            "certificate. It is needed to admit machines, never to store or to recover.",
        .commands = commands,
        .ending = "Example\n"
                  "  ecbak authority init ~/ecbak-authority\n"
                  "  ecbak authority sign --dir ~/ecbak-authority node7.request > node7.cert\n"
                  "  ecbak authority revoke --dir ~/ecbak-authority --publish node7",
    };
    return command_group_run(&group, argc, argv);
}
