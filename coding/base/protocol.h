/* protocol.h - which versions of the protocol between nodes a program speaks.
 *
 * One number counts for all that nodes say to each other, connections, gossip and calls alike. A
 * program speaks a range of versions; two understand each other when their ranges meet, and speak
 * the highest that both know. That is how a cluster is upgraded one machine after the other:
 * version N + 1 comes with a program that still speaks N, and N goes with a later one.
 *
 *   Limits   1 to 255; a range that was never said is {0, 0} and meets none
 *   Memory   plain values
 *   Threads  any
 */
#ifndef ECBAK_CODING_BASE_PROTOCOL_H
#define ECBAK_CODING_BASE_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

/* What this program speaks: 2 since grants name one object and questions name the vault. Version 1 went
 * at once, since nothing was in use. The build may say otherwise, for tests of upgrades. */
#ifndef PROTOCOL_LOWEST
#define PROTOCOL_LOWEST 2
#endif
#ifndef PROTOCOL_HIGHEST
#define PROTOCOL_HIGHEST 2
#endif

struct protocol {
    uint8_t lowest, highest;
};

#define PROTOCOL_OURS ((struct protocol){PROTOCOL_LOWEST, PROTOCOL_HIGHEST})

/* From numbers that came from elsewhere: {0, 0} when they are no range. */
struct protocol protocol_of(uint32_t lowest, uint32_t highest);
/* The version that both speak with each other, 0 for none. */
uint8_t protocol_common(struct protocol a, struct protocol b);
bool protocol_meets(struct protocol a, struct protocol b);

/* "1", "1 to 2"; returns `to`. */
#define PROTOCOL_TEXT_MAX 16
char *protocol_text(char to[PROTOCOL_TEXT_MAX], struct protocol protocol);
/* What is said of a node whose range does not meet ours, and what to do: "speaks protocol 1, this
 * node 2 to 3: upgrade it". Returns `to`. */
#define PROTOCOL_ADVICE_MAX 80
char *protocol_advice(char to[PROTOCOL_ADVICE_MAX], struct protocol theirs, struct protocol ours);

#endif
