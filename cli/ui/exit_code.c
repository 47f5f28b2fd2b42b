/* One mapping for all commands, so that the same trouble has the same status everywhere. */
#include "cli/ui/exit_code.h"

const char *exit_code_text(enum exit_code code)
{
    static const char *const texts[EXIT_CODES] = {
        [EXIT_DONE] = "done",
        [EXIT_FAILED] = "failed; the message says why",
        [EXIT_USAGE] = "usage: the command line is wrong, nothing was done",
        [EXIT_INCOMPLETE] =
            "incomplete: some files are missing, or fewer losses are survived than meant",
        [EXIT_TOO_FEW] = "too few members: to store so that this machine's loss is survived,\n"
                         "to bring all of it back, or of those waited for",
        [EXIT_KEY] = "a wrong key or phrase, or data that is damaged or lost",
        [EXIT_FULL] =
            "no space: at the members for what is stored, on this machine for what is written",
    };
    return texts[code];
}

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
