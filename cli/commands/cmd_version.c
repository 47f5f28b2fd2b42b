/* `ecbak version`. */
#include <stdio.h>

#include "cli/commands/commands.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"

int cmd_version(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak version",
        .synopsis = "[OPTION]...",
        .about = "Shows the version.",
        .examples = "  ecbak version",
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    if (line.json)
        output_json(json_pack("{s:s}", "software", ECBAK_VERSION));
    else
        printf("ecbak %s\n", ECBAK_VERSION);
    return command_end(&line, 0, NULL);
}
