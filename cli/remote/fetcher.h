/* fetcher.h - packs from the node, ahead of those who read them, in bounded memory.
 *
 * A reader plans a pack when it knows that it is going to need it, takes it when it does, and
 * unplans it when it will not need it again. Fetching threads bring planned packs in the order of
 * planning; packs that somebody waits for come first. When the room is used up, a pack that nobody
 * holds is dropped: of those that nobody plans the one that was not taken for longest, and for
 * somebody who waits else the one that was planned last.
 *
 *   Limits   FETCHER_BYTES of packs in memory at most: four large ones, or many small ones. One that
 *            is on its way counts as a large one
 *   Errors   of the node and of pack_open, given to each reader who takes that pack
 *   Threads  any: locked inside
 */
#ifndef ECBAK_CLI_REMOTE_FETCHER_H
#define ECBAK_CLI_REMOTE_FETCHER_H

#include <stdatomic.h>

#include "cli/base/failure.h"
#include "cli/vault/pack.h"
#include "coding/base/err.h"

#define FETCHER_BYTES   (4u * PACK_BYTES_MAX)
#define FETCHER_THREADS 2

struct fetcher;
struct fetched_pack; /* one pack, planned or there */

int fetcher_new(struct fetcher **fetcher, const struct vault_keys *keys, const char *endpoint,
                struct failure *failure, struct err *err) MUST_CHECK;
void fetcher_destroy(struct fetcher **fetcher);
struct fetched_pack *fetcher_plan(struct fetcher *fetcher, const struct pack_id *pack);
/* Is it in memory? */
bool fetcher_has(struct fetcher *fetcher, const struct pack_id *pack);
void fetcher_unplan(struct fetcher *fetcher, struct fetched_pack *pack);
/* Waits for a planned pack; *reader is good until fetcher_release. */
int fetcher_take(struct fetcher *fetcher, struct fetched_pack *pack,
                 const struct pack_reader **reader, struct err *err) MUST_CHECK;
void fetcher_release(struct fetcher *fetcher, struct fetched_pack *pack);
const struct pack_id *fetched_pack_id(const struct fetched_pack *pack);
/* Totals so far. */
uint64_t fetcher_bytes(const struct fetcher *fetcher);
uint64_t fetcher_corrupt(const struct fetcher *fetcher);

#endif
