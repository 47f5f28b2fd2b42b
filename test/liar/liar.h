/* liar.h - a member that breaks the rules: the project's own daemon, some of whose functions are
 * wrapped at linking (LIAR_WRAPS in the Makefile), so that it keeps up with the protocol and does
 * all else as an honest member does.
 *
 * What it does is said by $ECBAK_LIAR, words with commas between:
 *
 *   pins     answers each PinPacks with an object of its own making (answers.c)
 *   locate   answers each LocatePacks so, and never answers who then asks for the fragment (answers.c)
 *   bury     stores rows of another object of each pack that it was given a row of (attacks.c)
 *   records  brings records of vaults that it invents, without end (attacks.c)
 *   claims   pins packs that others stored, as a writer that it invents, without end (attacks.c)
 *   load     asks everybody where thousands of packs are, hundreds of times at once (attacks.c)
 *   hijack   says that its bulk socket is where $ECBAK_LIAR_BULK says (metadata.c)
 *
 * test/cluster_liars.py runs it among honest members.
 *
 *   Threads  any
 */
#ifndef ECBAK_TEST_LIAR_LIAR_H
#define ECBAK_TEST_LIAR_LIAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

bool liar_does(const char *attack);

/* The rows that were given to it, with what came along: what it attacks. attacks.c is told by
 * answers.c. */
struct loot {
    struct pack_id pack;
    uint64_t pack_bytes;
    struct vault_id vault;
    uint8_t *grant;
    size_t grant_size;
};
void liar_loot(const struct loot *loot); /* copies the grant */

#endif
