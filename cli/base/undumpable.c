/* The limit alone would not do: a core that goes to a program (core_pattern "|...") is written in spite of
 * it on many systems. */
#include "cli/base/undumpable.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void undumpable_begin(void)
{
    const struct rlimit none = {0, 0};
    /* Neither fails with these arguments; were it so, the command would be as it was. */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
