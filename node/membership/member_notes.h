/* member_notes.h - what membership remembers between two runs: `membership.state`.
 *
 * The incarnation must be on disk before it is said, or a node that was restarted could not refute
 * what is said of its earlier life. The members are where a node looks for its cluster when no seed
 * answers. Nothing in it depends on what is stored in the cluster.
 *
 *   offset  size  field
 *   0       8     magic "ecbakmbr"
 *   8       2     version, 2
 *   10      2     members, at most MEMBER_NOTES_MAX
 *   12      4     zero
 *   16      8     incarnation
 *   24      8     serial of the certificate with which this node left for good; 0: it did not
 *   32      96    for each member: CURVE key (32), address as text, zero-filled (64)
 *   end     32    BLAKE2b-256 of all before
 *
 *   Errors   ERR_NOT_FOUND no file; ERR_FORMAT, ERR_VERSION, ERR_DAMAGED; those of node/common/durable.h
 *   Durable  member_notes_save: whole and on disk when it returns 0
 *   Memory   plain values
 *   Threads  any
 */
#ifndef ECBAK_NODE_MEMBERSHIP_MEMBER_NOTES_H
#define ECBAK_NODE_MEMBERSHIP_MEMBER_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

#define MEMBER_NOTES_MAX 32

struct remembered {
    uint8_t curve[32];
    char address[64]; /* host:port of its membership socket */
};

struct member_notes {
    uint64_t incarnation;
    uint64_t left_serial;
    size_t count;
    struct remembered members[MEMBER_NOTES_MAX];
};

int member_notes_load(struct member_notes *notes, const char *path, struct err *err) MUST_CHECK;
/* The same from bytes in memory. */
int member_notes_decode(struct member_notes *notes, const uint8_t *bytes, size_t size,
                        struct err *err) MUST_CHECK;
int member_notes_save(const struct member_notes *notes, const char *path,
                      struct err *err) MUST_CHECK;

#endif
