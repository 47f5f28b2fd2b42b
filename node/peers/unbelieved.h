/* unbelieved.h - objects that were refused belief, so that the log names each of them once.
 *
 *   Limits   UNBELIEVED_MAX objects are remembered, the oldest is forgotten first
 *   Memory   plain values
 *   Threads  any
 */
#ifndef ECBAK_NODE_PEERS_UNBELIEVED_H
#define ECBAK_NODE_PEERS_UNBELIEVED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "coding/base/id.h"

#define UNBELIEVED_MAX 256

struct unbelieved {
    pthread_mutex_t lock;
    struct object_id objects[UNBELIEVED_MAX];
    size_t count, next;
};

void unbelieved_init(struct unbelieved *unbelieved);
void unbelieved_release(struct unbelieved *unbelieved);
/* Is it named for the first time? Remembers it. NULL: nobody cares, and nothing is new. */
bool unbelieved_is_new(struct unbelieved *unbelieved, const struct object_id *object);

#endif
