/* packs.h - from chunks to packs: deduplicate, fill segments, compress, seal, send.
 *
 * Every producing thread has a `packing`: the segments that it fills. A full segment goes to a
 * queue; an idle thread compresses it (outside any lock) and puts it into the pack being filled,
 * and a full pack goes to the sender. As long as a store is small (less than MIXED_BYTES), segments
 * are kept back, so that all of it can become one mixed pack at the end.
 *
 *   Memory   PACKS_QUEUE segments, those of the producers, one pack of data and one of tree being
 *            filled, one being ended
 *   Threads  packs_*: any; a packing one
 */
#ifndef ECBAK_CLI_PACKING_PACKS_H
#define ECBAK_CLI_PACKING_PACKS_H

#include "cli/base/id_list.h"
#include "cli/packing/sender.h"

#define MIXED_BYTES (1024u * 1024)
#define PACKS_QUEUE 3

struct packs_options {
    struct sender_options send;
    int zstd_level;
    bool dry_run;                 /* nothing is compressed or sent */
    bool cache_is_new;            /* it knows no chunk: do not ask it */
    const struct id_list *relied; /* index packs that the store relies on, oldest first */
    /* Called when a segment was queued, so that idle threads come and compress it. */
    void (*queued)(void *ctx);
    void *queued_ctx;
};

struct packs;
int packs_new(struct packs **packs, const struct packs_options *options,
              struct err *err) MUST_CHECK;
void packs_destroy(struct packs **packs);
/* Compresses one queued segment, if there is one; false when not. */
bool packs_work(struct packs *packs);
bool packs_has_work(const struct packs *packs);
/* After every packing was flushed and no other thread is at it: sends what is left and an index of
 * every pack in the cache that no record names yet; waits until all is answered. The packs that a
 * record must name as its index are added to index_packs, and those of earlier stores that they stand
 * in for to replaced. */
int packs_finish(struct packs *packs, struct id_list *index_packs, struct id_list *replaced,
                 struct err *err) MUST_CHECK;
/* Bytes of file contents in chunks that were not there before. */
uint64_t packs_bytes_new(struct packs *packs);

struct packing;
struct packing *packing_new(struct packs *packs);
void packing_destroy(struct packing **packing);
/* Makes sure that a chunk is, or is going to be, in a pack; id is what packing_id gave. */
int packing_add(struct packing *packing, enum chunk_kind kind, const void *bytes, size_t size,
                const struct chunk_id *id, uint32_t *place, struct err *err) MUST_CHECK;
void packing_id(const struct packing *packing, const void *bytes, size_t size, struct chunk_id *id);
/* Hands the segments begun on, to be compressed. */
int packing_flush(struct packing *packing, struct err *err) MUST_CHECK;

#endif
