#include "coding/leaf_hash.h"

#include "coding/base/hash.h"

void leaf_hash_one(const struct leaf_job *job)
{
    hash_bytes(job->hash, "ecbak leaf v1", job->bytes, job->size);
}

void leaf_hash(const struct leaf_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        leaf_hash_one(&jobs[i]);
}
