/* fetch.h - packs from the node, ahead of those who read them, in bounded memory.
 *
 * A reader plans a pack when it knows that it is going to need it, takes it when it does, and
 * unplans it when it will not need it again. Fetching threads bring planned packs in the order of
 * planning; packs that somebody waits for come first. When the room is used up, the pack goes that
 * nobody holds, rather one that nobody plans either, and the one longest not taken first.
 *
 *   Limits   FETCH_PACKS packs in memory at most, those on their way included
 *   Errors   of the node and of pack_open, given to each reader who takes that pack
 *   Threads  any: locked inside
 */
#ifndef ECBAK_CLI_REMOTE_FETCH_H
#define ECBAK_CLI_REMOTE_FETCH_H

#include <stdatomic.h>

#include "cli/base/failure.h"
#include "cli/vault/pack.h"
#include "coding/base/err.h"

#define FETCH_PACKS   5
#define FETCH_THREADS 2

struct fetch;
struct fetched; /* one pack, planned or there */

int fetch_new(struct fetch **fetch, const struct vault_keys *keys, const char *endpoint,
              struct failure *failure, struct err *err) MUST_CHECK;
void fetch_destroy(struct fetch **fetch);
struct fetched *fetch_plan(struct fetch *fetch, const uint8_t pack[ID_SIZE]);
void fetch_unplan(struct fetch *fetch, struct fetched *pack);
/* Waits for a planned pack; *reader is good until fetch_release. */
int fetch_take(struct fetch *fetch, struct fetched *pack, const struct pack_reader **reader,
               struct err *err) MUST_CHECK;
void fetch_release(struct fetch *fetch, struct fetched *pack);
const uint8_t *fetched_id(const struct fetched *pack);
/* Totals so far. */
uint64_t fetch_bytes(const struct fetch *fetch);
uint64_t fetch_corrupt(const struct fetch *fetch);

#endif
