/* Runs of leaves of one size go four at a time; the rest of a run goes together too when it is two or
 * three, lanes that stay empty repeating the first. */
#include "coding/leaf_hash.h"

#include "coding/base/hash.h"
#include "coding/blake2b_x4.h"

#define LANES   BLAKE2B_X4_LANES
#define PURPOSE "ecbak leaf v1"

void leaf_hash_one(const struct leaf_job *job)
{
    hash_bytes(job->hash, PURPOSE, job->bytes, job->size);
}

static void hash_together(const struct leaf_job *jobs, size_t count)
{
    uint8_t nobody[HASH_SIZE];
    uint8_t *hashes[LANES];
    const uint8_t *bytes[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
        hashes[lane] = lane < count ? jobs[lane].hash : nobody;
        bytes[lane] = jobs[lane < count ? lane : 0].bytes;
    }
    blake2b_x4(hashes, PURPOSE, bytes, jobs[0].size);
}

void leaf_hash(const struct leaf_job *jobs, size_t count)
{
    bool together = blake2b_x4_available();
    for (size_t i = 0; i < count;) {
        size_t run = 1;
        while (together && run < LANES && i + run < count && jobs[i + run].size == jobs[i].size)
            run++;
        if (run > 1)
            hash_together(&jobs[i], run);
        else
            leaf_hash_one(&jobs[i]);
        i += run;
    }
}
