/* ecbak init - makes a vault and shows its recovery phrase, once. */
#include <stdio.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/commands/commands.h"
#include "cli/home/home.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/phrase_io.h"
#include "coding/base/bytes.h"

/* A second vault on one machine is rarely meant, and doubles what must be kept safe. */
static int refuse_second(struct err *err)
{
    struct vault *vault = NULL;
    struct err why = ERR_INIT;
    int status = vault_load(&vault, NULL, &why);
    vault_close(&vault);
    if (status == 0 || why.code == ERR_USAGE)
        return err_set(err, ERR_EXISTS,
                       "this machine has a vault already; 'ecbak init --another' makes one more");
    if (why.code != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    return 0;
}

static int show_json(const struct vault_keys *keys, const char *phrase, struct err *err)
{
    char id[2 * ID_SIZE + 1], line[PHRASE_TEXT_MAX + 256];
    snprintf(line, sizeof(line), "{\"version\":%d,\"vault\":\"%s\",\"phrase\":\"%s\"}\n",
             OUTPUT_JSON_VERSION, hex_encode(id, keys->vault.bytes, ID_SIZE), phrase);
    int status = secret_print(line, err);
    sodium_memzero(line, sizeof(line));
    return status;
}

static const char advice[] =
    "%s%sWrite it on paper now, and keep it away from this machine.%s It is shown only this\n"
    "once. Whoever has it can read every backup; without it, and without this machine,\n"
    "nobody can, and no operator can help. On a blank machine 'ecbak open' asks for it.\n";

static int show_text(const struct vault_keys *keys, const char *phrase, bool quiet, struct err *err)
{
    char id[2 * 8 + 1];
    bool on_screen = isatty(STDOUT_FILENO) == 1;
    hex_encode(id, keys->vault.bytes, 8);
    if (!quiet && on_screen)
        fprintf(stderr, "A new vault, %s. Its recovery phrase:\n\n", id);
    if (phrase_print(phrase, quiet || !on_screen, err) != 0)
        return -1;
    if (quiet)
        return 0;
    if (!on_screen)
        fprintf(stderr, "A new vault, %s. Its recovery phrase went to standard output.\n", id);
    fprintf(stderr, advice, on_screen ? "\n" : "", style_on(stderr, STYLE_BOLD), style_off(stderr));
    return 0;
}

static int show(void *ctx, const struct vault_keys *keys, struct err *err)
{
    const struct command_line *line = ctx;
    char phrase[PHRASE_TEXT_MAX];
    phrase_encode(phrase, keys->secret);
    int status =
        line->json ? show_json(keys, phrase, err) : show_text(keys, phrase, line->quiet, err);
    sodium_memzero(phrase, sizeof(phrase));
    return status == 0 ? 0 : err_context(err, "no vault was made, its phrase cannot be shown");
}

int cmd_init(int argc, char **argv)
{
    bool another = false;
    const struct option options[] = {
        {0, "another", OPTION_FLAG, &another, NULL, "also when this machine has a vault already"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak init",
        .exits = EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]...",
        .about = "Makes a vault: the key under which this machine's backups are sealed. Shows its\n"
                 "recovery phrase once: 25 words that open the vault again on any machine.",
        .examples = "  ecbak init\n"
                    "  ecbak init > /media/usb/phrase     # the words alone, on one line\n"
                    "  ecbak init --json",
        .options = options,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct vault *vault = NULL;
    int status = another ? 0 : refuse_second(&err);
    if (status == 0)
        status = vault_create(&vault, NULL, show, &line, &err);
    vault_close(&vault);
    return command_end(&line, status, &err);
}
