/* waiting.h - nothing waits in silence: what takes longer than WAITING_SILENCE_MS says for what.
 *
 * On stderr, between two paintings of a progress line; not with --json. The same words are said
 * once: several threads may wait for the same.
 *
 *   Threads  waiting_say any; the others one
 */
#ifndef ECBAK_CLI_UI_WAITING_H
#define ECBAK_CLI_UI_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#define WAITING_SILENCE_MS 3000

/* From here on; also of what clients of a node wait for (node/api/client.h). */
void waiting_start(bool silent);
void waiting_say(const char *what);

/* A wait of the caller's own. */
struct waiting {
    int64_t start_ms;
    bool said;
};
void waiting_init(struct waiting *waiting);
/* Says it once, when it was long enough. */
void waiting_tell(struct waiting *waiting, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
