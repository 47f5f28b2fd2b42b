/* One mapping for all commands, so that the same trouble has the same status everywhere. */
#include "cli/ui/exit_code.h"

enum exit_code exit_code_of(const struct err *err)
{
    switch (err->code) {
    case ERR_NONE:
        return EXIT_DONE;
    case ERR_USAGE:
        return EXIT_USAGE;
    case ERR_TOO_FEW:
        return EXIT_TOO_FEW;
    case ERR_KEY:
    case ERR_DAMAGED:
        return EXIT_KEY;
    case ERR_FULL:
        return EXIT_FULL;
    default:
        return EXIT_FAILED;
    }
}
