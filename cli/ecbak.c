/* ecbak - store a directory in the cluster, recover it, watch the members.
 *
 * Finds the command (commands/commands.c has the table) and makes sure that its result was written.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "cli/commands/commands.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/output.h"

int main(int argc, char **argv)
{
    char version[] = "version";
    output_setup();
    if (sodium_init() < 0) {
        fprintf(stderr, "ecbak: the system has no random numbers to give\n");
        return EXIT_FAILED;
    }
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
        argv[1] = version;
    int code = command_group_run(&commands_ecbak, argc, argv);
    /* A result that could not be written (a full disk, a closed output) was not given. */
    struct err err;
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        err_errno(&err, "writing the result to standard output");
        output_error(&err);
        if (code == EXIT_DONE)
            code = EXIT_FAILED;
    }
    return code;
}
