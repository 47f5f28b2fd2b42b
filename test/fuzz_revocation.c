/* Revocations from strangers: binary as members pass them on, as lines of text, and the file of
 * them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/net/revocations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t authority[32] = {1};
    static const struct node_id node = {{1}};
    struct revocation r;
    struct err err;
    if (sodium_init() < 0)
        abort();
    if (revocation_decode(&r, data, size, &err) == 0) {
        uint8_t again[REVOCATION_BYTES];
        if (size != sizeof(again) || revocation_encode(&r, again, &err) != 0 ||
            memcmp(again, data, size) != 0)
            abort(); /* one revocation has one encoding */
        if (revocation_check(&r, authority, &err) == 0)
            abort();
        (void)revocation_covers(&r, &node, authority, 1);
    }
    char *line = malloc(size + 1);
    if (line == NULL)
        abort();
    memcpy(line, data, size);
    line[size] = '\0';
    (void)!revocation_unarmor(&r, line, &err);
    free(line);
    static struct revocations *set;
    size_t dropped = 0;
    if (set == NULL && revocations_open(&set, "/nowhere", authority, 0, &dropped, &err) != 0)
        abort();
    (void)revocations_read(set, data, size, 0, &dropped);
    if (revocations_digest(set).count != 0)
        abort(); /* none of them is signed */
    return 0;
}
