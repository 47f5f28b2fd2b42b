/* show.h - what the lab commands have in common: the option that names the lab, and its table.
 */
#ifndef ECBAK_CLI_LAB_SHOW_H
#define ECBAK_CLI_LAB_SHOW_H

#include "cli/lab/lab.h"
#include "cli/ui/options.h"

#define LAB_DIR_OPTION(variable)                                                                   \
    ((struct option){'d', "dir", OPTION_TEXT, &(variable), "DIR",                                  \
                     "where the lab is (default $ECBAK_LAB, then\n~/.local/state/ecbak/lab)"})

/* The nodes and their processes, as a table or as JSON. */
void lab_show(const struct command_line *line, const struct lab *lab);

#endif
