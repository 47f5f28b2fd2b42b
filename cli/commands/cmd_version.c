/* `ecbak version`. */
#include <stdio.h>
#include <string.h>

#include "cli/commands/commands.h"
#include "cli/ui/exit_code.h"

int cmd_version(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        printf(
            "Usage: ecbak version [--json]\n\nShows the version.\n\nExamples\n  ecbak version\n");
    else if (argc > 1 && strcmp(argv[1], "--json") == 0)
        printf("{\"version\":\"%s\"}\n", ECBAK_VERSION);
    else
        printf("ecbak %s\n", ECBAK_VERSION);
    return EXIT_DONE;
}
