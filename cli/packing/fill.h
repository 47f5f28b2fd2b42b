/* fill.h - a pack being filled with compressed segments, and sent when it is full.
 *
 *   Threads  any: locked inside; a full pack is ended and sent outside the lock
 */
#ifndef ECBAK_CLI_PACKING_FILL_H
#define ECBAK_CLI_PACKING_FILL_H

#include <pthread.h>

#include "cli/packing/sender.h"

struct fill {
    pthread_mutex_t lock;
    enum pack_kind kind;
    const struct sender_options *send;
    struct sender **sender;
    size_t pack_bytes;
    struct pack_writer *writer; /* NULL: nothing yet */
    uint32_t pack;              /* its number in places */
};

/* send and *sender must outlive it. */
void fill_init(struct fill *fill, enum pack_kind kind, const struct sender_options *send,
               struct sender **sender);
void fill_release(struct fill *fill);
/* Seals the segment into the pack, which becomes the pack of the segment's place. */
int fill_add(struct fill *fill, const struct segment *segment, uint32_t place,
             struct err *err) MUST_CHECK;
/* Ends the pack, if one was begun, and sends it. */
int fill_end(struct fill *fill, struct err *err) MUST_CHECK;

#endif
