/* parcel.h - bytes that fragments lie in, shared by the sends of them.
 *
 * A pack's fragments leave from the buffer that they came in, in one request. The transport may hold
 * some of it longer than the job that sends it does (a send that was overtaken), so whoever uses it
 * has a reference.
 *
 *   Memory   gone, with the bytes, when the last reference is
 *   Threads  any
 */
#ifndef ECBAK_NODE_TRANSFER_PARCEL_H
#define ECBAK_NODE_TRANSFER_PARCEL_H

#include "node/net/transport.h"

struct parcel;

/* Takes the payload; one reference, the caller's. */
struct parcel *parcel_new(struct payload *payload);
/* The same for a buffer that came from malloc(). */
struct parcel *parcel_of(uint8_t *bytes, size_t size);
struct parcel *parcel_share(struct parcel *parcel);
/* Gives up a reference; NULL is fine. */
void parcel_release(struct parcel **parcel);
/* A part of it as a payload, which holds a reference of its own. */
struct payload parcel_part(struct parcel *parcel, uint8_t *bytes, size_t size);

#endif
