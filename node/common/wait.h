/* wait.h - waiting until a time by the clock of every deadline, monotonic_ms(): conditions, pauses.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_COMMON_WAIT_H
#define ECBAK_NODE_COMMON_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A condition that wait_until may be called with; destroyed as any. */
void wait_init(pthread_cond_t *condition);
/* Waits for a signal, with the mutex held; false: deadline_ms came first. Looks up for no reason at
 * all now and then, as every condition does. */
bool wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ms);
/* Does nothing for so long, unless a signal comes. */
void wait_pause(int64_t pause_ms);

#endif
