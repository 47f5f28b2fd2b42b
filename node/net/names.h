/* names.h - a machine's own names (of its seeds, of itself) become addresses on a thread of their own,
 * because asking for one can take as long as a name server is away. Names that others say are none of
 * these: those are refused where they come in (node/membership/meta.h).
 *
 * A name that does not resolve is said in the log once, and once more when it does; it is asked for
 * again once a second, as long as somebody needed it lately. One that did resolve is asked for again
 * after a minute, and keeps its address while that fails.
 *
 *   Limits   NAMES_MAX are kept, the one asked for longest ago gives way
 *   Threads  one that asks
 */
#ifndef ECBAK_NODE_NET_NAMES_H
#define ECBAK_NODE_NET_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "coding/base/err.h"
#include "node/common/endpoint.h"

#define NAMES_MAX 128

struct names;

struct names *names_new(void);
/* Does not wait for a name server. */
void names_destroy(struct names **names);
/* HOST:PORT. Waits a few milliseconds for a name that was never asked for. ERR_IO: it is not known now;
 * ask again later. */
int names_resolve(struct names *names, const char *address, struct endpoint *to,
                  struct err *err) MUST_CHECK;
/* Has a name become known that was in vain asked for before? Since the last time that this was asked. */
bool names_news(struct names *names);

#endif
