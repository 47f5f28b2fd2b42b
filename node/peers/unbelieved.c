#include "node/peers/unbelieved.h"

void unbelieved_init(struct unbelieved *unbelieved)
{
    pthread_mutex_init(&unbelieved->lock, NULL);
    unbelieved->count = unbelieved->next = 0;
}

void unbelieved_release(struct unbelieved *unbelieved)
{
    pthread_mutex_destroy(&unbelieved->lock);
}

bool unbelieved_is_new(struct unbelieved *unbelieved, const struct object_id *object)
{
    if (unbelieved == NULL)
        return false;
    bool known = false;
    pthread_mutex_lock(&unbelieved->lock);
    for (size_t i = 0; i < unbelieved->count && !known; i++)
        known = id_equal(&unbelieved->objects[i], object);
    if (!known) {
        unbelieved->objects[unbelieved->next] = *object;
        unbelieved->next = (unbelieved->next + 1) % UNBELIEVED_MAX;
        unbelieved->count += unbelieved->count < UNBELIEVED_MAX;
    }
    pthread_mutex_unlock(&unbelieved->lock);
    return !known;
}
