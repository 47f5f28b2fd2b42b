/* undumpable.h - a process that holds secrets leaves no image of its memory behind.
 *
 * To be called before a phrase, a key or a ticket is read. From then on the process writes no core, also
 * to none that a handler of the system's collects, and no other process of its user may look into it.
 * What it starts afterwards may write none either, but can be looked into again.
 *
 *   Threads  any
 */
#ifndef ECBAK_CLI_BASE_UNDUMPABLE_H
#define ECBAK_CLI_BASE_UNDUMPABLE_H

void undumpable_begin(void);

#endif
