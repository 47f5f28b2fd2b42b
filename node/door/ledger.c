/* A list: as long as there are nodes of which something waits, so a few. */
#include "node/door/ledger.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

struct entry {
    struct entry *next;
    struct node_id node;
    size_t bytes[LEDGER_PAGES];
};

struct ledger {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t all[LEDGER_PAGES];
};

struct ledger *ledger_new(void)
{
    struct ledger *ledger = alloc_zero(1, sizeof(*ledger));
    pthread_mutex_init(&ledger->lock, NULL);
    return ledger;
}

void ledger_destroy(struct ledger **ledger)
{
    struct ledger *l = *ledger;
    *ledger = NULL;
    if (l == NULL)
        return;
    while (l->entries != NULL) { /* requests that nobody answered any more */
        struct entry *next = l->entries->next;
        free(l->entries);
        l->entries = next;
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static struct entry **find(struct ledger *ledger, const struct node_id *node)
{
    struct entry **at = &ledger->entries;
    while (*at != NULL && !id_equal(&(*at)->node, node))
        at = &(*at)->next;
    return at;
}

size_t ledger_read(struct ledger *ledger, const struct node_id *node, enum ledger_page page,
                   size_t *all)
{
    pthread_mutex_lock(&ledger->lock);
    const struct entry *entry = *find(ledger, node);
    size_t bytes = entry != NULL ? entry->bytes[page] : 0;
    *all = ledger->all[page];
    pthread_mutex_unlock(&ledger->lock);
    return bytes;
}

void ledger_add(struct ledger *ledger, const struct node_id *node, enum ledger_page page,
                size_t bytes)
{
    pthread_mutex_lock(&ledger->lock);
    struct entry **at = find(ledger, node);
    if (*at == NULL) {
        *at = alloc_zero(1, sizeof(**at));
        (*at)->node = *node;
    }
    (*at)->bytes[page] += bytes;
    ledger->all[page] += bytes;
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_take(struct ledger *ledger, const struct node_id *node, enum ledger_page page,
                 size_t bytes)
{
    pthread_mutex_lock(&ledger->lock);
    struct entry **at = find(ledger, node), *entry = *at;
    assert(entry != NULL && entry->bytes[page] >= bytes && ledger->all[page] >= bytes);
    entry->bytes[page] -= bytes;
    ledger->all[page] -= bytes;
    if (entry->bytes[LEDGER_REQUESTS] == 0 && entry->bytes[LEDGER_ANSWERS] == 0) {
        *at = entry->next;
        free(entry);
    }
    pthread_mutex_unlock(&ledger->lock);
}
