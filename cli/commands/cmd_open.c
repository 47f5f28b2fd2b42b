/* ecbak open - opens a vault on this machine, from its recovery phrase.
 *
 * A phrase with a mistake fails its checksum. A phrase without one may still be that of another
 * vault, or this may be another cluster: so the cluster is asked whether it knows the vault before
 * anything is written here. */
#include <stdio.h>

#include <sodium.h>

#include "cli/commands/commands.h"
#include "cli/home/home.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/phrase_io.h"
#include "coding/base/bytes.h"
#include "node/api/client.h"

struct found {
    size_t records;
    uint32_t nodes_asked, nodes_answered;
};

static int look_for(struct found *found, const struct vault_keys *keys, const char *socket,
                    struct err *err)
{
    struct client *client = NULL;
    struct record_list list = {0};
    int status = -1;
    if (client_open(&client, socket, err) == 0 &&
        client_get_records(client, &keys->vault, &list, err) == 0) {
        *found = (struct found){list.count, list.nodes_asked, list.nodes_answered};
        status = 0;
    }
    record_list_release(&list);
    client_close(&client);
    if (status != 0)
        return err_context(err, "asking the cluster for this vault (--unchecked opens without)");
    if (found->records > 0)
        return 0;
    char id[2 * 8 + 1];
    return err_set(
        err, ERR_NOT_FOUND,
        "the phrase is well-formed, but none of the %u nodes that answered (of %u) knows "
        "a snapshot of its vault %s; is it the phrase of another vault, or is this "
        "another cluster? ('--unchecked' opens it all the same)",
        found->nodes_answered, found->nodes_asked, hex_encode(id, keys->vault.bytes, 8));
}

static void report(const struct command_line *line, const struct vault_keys *keys,
                   const struct found *found, bool unchecked, bool was_open)
{
    char id[2 * ID_SIZE + 1];
    hex_encode(id, keys->vault.bytes, ID_SIZE);
    if (line->json) {
        json_t *object = json_pack("{s:s, s:b}", "vault", id, "was_open", was_open);
        if (!unchecked)
            json_object_set_new(object, "records", json_integer((json_int_t)found->records));
        output_json(object);
    } else if (!line->quiet) {
        printf("Vault %.16s is %s on this machine", id, was_open ? "open already" : "open");
        if (!unchecked)
            printf("; the cluster holds %zu snapshot record%s of it", found->records,
                   found->records == 1 ? "" : "s");
        printf(
            ".\n'ecbak snapshots' lists them, 'ecbak recover latest --to DIR' brings one back.\n");
    }
}

/* Everything between the text of the phrase and the vault on disk. */
static int open_vault(const struct command_line *line, const char *text, bool unchecked,
                      struct err *err)
{
    uint8_t secret[VAULT_SECRET_SIZE];
    struct vault_keys *keys = NULL;
    struct vault *vault = NULL;
    struct found found = {0};
    bool was_open = false;
    int status = -1;
    if (phrase_decode(secret, text, err) != 0 || vault_keys_new(&keys, secret, err) != 0)
        goto done;
    if (!unchecked && look_for(&found, keys, line->socket, err) != 0)
        goto done;
    if (vault_create(&vault, secret, NULL, NULL, err) != 0) {
        if (err->code != ERR_EXISTS)
            goto done;
        was_open = true;
    }
    report(line, keys, &found, unchecked, was_open);
    status = 0;
done:
    sodium_memzero(secret, sizeof(secret));
    vault_close(&vault);
    vault_keys_destroy(&keys);
    return status;
}

int cmd_open(int argc, char **argv)
{
    const char *file = NULL;
    bool unchecked = false;
    const struct option options[] = {
        {'f', "phrase-file", OPTION_TEXT, &file, "FILE",
         "read the phrase from FILE; '-' is standard input"},
        {0, "unchecked", OPTION_FLAG, &unchecked, NULL,
         "do not ask the cluster whether it knows the vault"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak open",
        .exits = EXIT_BIT(EXIT_KEY) | EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]...",
        .about =
            "Opens a vault on this machine from its recovery phrase, which is asked for, or taken\n"
            "from standard input or a file. Exit status 5 when the phrase has a mistake; 1 when\n"
            "it is without mistake, but no node knows its vault.",
        .examples = "  ecbak open\n"
                    "  ecbak open < /media/usb/phrase\n"
                    "  ecbak open --phrase-file /media/usb/phrase --json",
        .options = options,
        .uses = USES_NODE,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    char text[PHRASE_INPUT_MAX];
    int status = phrase_read(text, file, &err);
    if (status == 0)
        status = open_vault(&line, text, unchecked, &err);
    sodium_memzero(text, sizeof(text));
    return command_end(&line, status, &err);
}
