/* id.h - the names of things, a type for each kind, so that one cannot stand where another is meant.
 *
 * All but a writer's and an attempt's are the output of a hash or a public key, so they are compared
 * and copied as bytes: `a = b` copies, id_equal compares. To make one from bytes: id_set, which takes
 * exactly as many as the kind has.
 *
 *   Threads  any
 */
#ifndef ECBAK_CODING_BASE_ID_H
#define ECBAK_CODING_BASE_ID_H

#include <stdint.h>
#include <string.h>

#define ID_SIZE        32
#define WRITER_ID_SIZE 16
#define ATTEMPT_SIZE   16 /* random bytes */

struct pack_id {
    uint8_t bytes[ID_SIZE];
};
struct object_id {
    uint8_t bytes[ID_SIZE];
};
struct chunk_id {
    uint8_t bytes[ID_SIZE];
};
struct record_id {
    uint8_t bytes[ID_SIZE];
};
struct vault_id {
    uint8_t bytes[ID_SIZE];
};
struct cluster_id {
    uint8_t bytes[ID_SIZE];
};
struct node_id {
    uint8_t bytes[ID_SIZE];
};
struct writer_id {
    uint8_t bytes[WRITER_ID_SIZE];
};
/* One run of `ecbak store`. */
struct attempt_id {
    uint8_t bytes[ATTEMPT_SIZE];
};

/* Both are pointers to ids of one kind: with two kinds, `1 ? a : b` does not compile. */
#define id_compare(a, b) memcmp((1 ? (a) : (b))->bytes, (b)->bytes, sizeof((a)->bytes))
#define id_equal(a, b)   (id_compare(a, b) == 0)
#define id_set(id, from) memcpy((id)->bytes, from, sizeof((id)->bytes))

#endif
