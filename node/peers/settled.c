/* The digests themselves would be 4 KiB a member. */
#include "node/peers/settled.h"

#include <string.h>

#define DIGEST_SIZE (256 * 8)

void settled_init(struct settled *settled)
{
    memset(settled, 0, sizeof(*settled));
    pthread_mutex_init(&settled->lock, NULL);
}

void settled_release(struct settled *settled)
{
    pthread_mutex_destroy(&settled->lock);
}

static void hash_both(uint8_t both[HASH_SIZE], const uint8_t own[256][8],
                      const uint8_t theirs[256][8])
{
    uint8_t bytes[2 * DIGEST_SIZE];
    memcpy(bytes, own, DIGEST_SIZE);
    memcpy(bytes + DIGEST_SIZE, theirs, DIGEST_SIZE);
    hash_bytes(both, "ecbak settled", bytes, sizeof(bytes));
}

static struct settled_with *find(struct settled *settled, const struct node_id *node)
{
    for (size_t i = 0; i < settled->count; i++)
        if (id_equal(&settled->with[i].node, node))
            return &settled->with[i];
    return NULL;
}

void settled_note(struct settled *settled, const struct node_id *node, const uint8_t own[256][8],
                  const uint8_t theirs[256][8])
{
    uint8_t both[HASH_SIZE];
    hash_both(both, own, theirs);
    pthread_mutex_lock(&settled->lock);
    struct settled_with *with = find(settled, node);
    if (with == NULL) {
        with = &settled->with[settled->next];
        settled->next = (settled->next + 1) % SETTLED_MAX;
        settled->count += settled->count < SETTLED_MAX;
    }
    with->node = *node;
    memcpy(with->both, both, sizeof(both));
    pthread_mutex_unlock(&settled->lock);
}

bool settled_is(struct settled *settled, const struct node_id *node, const uint8_t own[256][8],
                const uint8_t theirs[256][8])
{
    uint8_t both[HASH_SIZE];
    if (memcmp(own, theirs, DIGEST_SIZE) == 0)
        return true;
    hash_both(both, own, theirs);
    pthread_mutex_lock(&settled->lock);
    const struct settled_with *with = find(settled, node);
    bool noted = with != NULL && memcmp(with->both, both, sizeof(both)) == 0;
    pthread_mutex_unlock(&settled->lock);
    return noted;
}
