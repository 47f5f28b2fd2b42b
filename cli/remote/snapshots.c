/* Each record is believed by itself, when its signatures and its seal hold; whether all that there
 * were are there is for chains.c to say, and for a person to judge: what is odd hides no snapshot.
 */
#include "cli/remote/snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/path.h"
#include "cli/remote/snapshots_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

void finding_add(struct snapshot_list *list, enum finding_kind kind, const struct writer_id *writer,
                 uint64_t number, uint64_t count, const char *text)
{
    list->findings = alloc_grow(list->findings, list->finding_count + 1, sizeof(list->findings[0]));
    struct finding *finding = &list->findings[list->finding_count++];
    *finding = (struct finding){.kind = kind, .number = number, .count = count};
    if (writer != NULL)
        finding->writer = *writer;
    snprintf(finding->text, sizeof(finding->text), "%s", text);
}

/* Checks one record and takes its snapshot in. */
static int take_record(struct snapshot_list *list, struct chains *chains, const struct vault *vault,
                       const struct cluster_id *cluster, const uint8_t *bytes, size_t size,
                       struct err *err)
{
    struct record record = {0};
    struct writer_cert cert;
    if (record_open(&record, &cert, bytes, size, cluster, err) != 0)
        return -1;
    struct snapshot snapshot = {0};
    int result = 0;
    if (!id_equal(&record.vault, &vault->keys->vault))
        result = err_set(err, ERR_FOREIGN, "a record of another vault");
    else if (record.kind == RECORD_SNAPSHOT)
        result = snapshot_open(&snapshot, vault->keys, &record, err);
    if (result == 0) {
        chains->links = alloc_grow(chains->links, chains->count + 1, sizeof(chains->links[0]));
        struct chain_link *link = &chains->links[chains->count++];
        link->writer = record.writer;
        link->hash = record.hash;
        link->previous = record.previous;
        link->number = record.number;
        chains->unknown += record.kind != RECORD_SNAPSHOT;
        if (id_equal(&record.writer, &vault->writer) && record.number > list->newest.number) {
            free(list->newest.bytes);
            list->newest = (struct own_record){record.number, record.hash, NULL, size};
            list->newest.bytes = alloc_copy(bytes, size);
        }
    }
    if (result == 0 && record.kind == RECORD_SNAPSHOT)
        list->snapshots[list->count++] = snapshot;
    record_release(&record);
    return result;
}

/* A home that cannot be written to must not keep anybody from listing and recovering. */
static void add_forgetful(struct snapshot_list *list, const struct err *why)
{
    char text[sizeof(list->findings[0].text)];
    snprintf(text, sizeof(text), "a roll-back might not be noticed: %.120s", why->text);
    finding_add(list, FINDING_FORGETFUL, NULL, 0, 0, text);
}

static int snapshot_order(const void *a, const void *b)
{
    const struct snapshot *x = a, *y = b;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return id_compare(&x->id, &y->id);
}

int snapshot_list_load(struct snapshot_list *list, const struct vault *vault, struct client *client,
                       struct err *err)
{
    *list = (struct snapshot_list){0};
    struct node_status *status = alloc_zero(1, sizeof(*status));
    struct record_list records = {0};
    struct chains chains = {0};
    struct heads heads = {0};
    struct err forgetful = ERR_INIT;
    /* Read before the nodes are asked: another command may see newer records, and note them down,
     * while they answer. */
    bool known = heads_load(&heads, vault->dir, &forgetful) == 0;
    int result = client_status(client, status, err);
    if (result == 0)
        result = client_get_records(client, &vault->keys->vault, &records, err);
    if (result != 0)
        goto done;
    list->nodes_asked = records.nodes_asked;
    list->nodes_answered = records.nodes_answered;
    list->snapshots = alloc_zero(records.count, sizeof(list->snapshots[0]));
    for (size_t i = 0; i < records.count; i++) {
        struct err why = ERR_INIT;
        if (take_record(list, &chains, vault, &status->cluster, records.records[i],
                        records.sizes[i], &why) != 0)
            finding_add(list, FINDING_UNREADABLE, NULL, 0, 1, why.text);
    }
    if (list->count > 1)
        qsort(list->snapshots, list->count, sizeof(list->snapshots[0]), snapshot_order);
    if (chains.unknown > 0)
        finding_add(list, FINDING_NEWER, NULL, 0, chains.unknown,
                    "the vault has records of a kind that this version does not know: what they "
                    "say of its snapshots, a newer ecbak shows");
    chains_judge(list, &chains, &heads);
    if (!known || heads_save(&heads, vault->dir, &forgetful) != 0)
        add_forgetful(list, &forgetful);
done:
    heads_release(&heads);
    if (result != 0)
        snapshot_list_release(list);
    free(chains.links);
    record_list_release(&records);
    free(status);
    return result;
}

void snapshot_list_release(struct snapshot_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        snapshot_release(&list->snapshots[i]);
    free(list->snapshots);
    free(list->findings);
    free(list->newest.bytes);
    *list = (struct snapshot_list){0};
}

/* ---- choosing -------------------------------------------------------------------------------- */

const struct snapshot *snapshot_newest_of(const struct snapshot_list *list,
                                          const struct writer_id *writer)
{
    const struct snapshot *newest = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct snapshot *snapshot = &list->snapshots[i];
        if (id_equal(&snapshot->writer, writer) &&
            (newest == NULL || snapshot->number > newest->number))
            newest = snapshot;
    }
    return newest;
}

bool snapshot_matches(const struct snapshot *snapshot, const struct snapshot_filter *filter)
{
    if (filter == NULL)
        return true;
    if (filter->host != NULL && strcmp(filter->host, snapshot->host) != 0)
        return false;
    bool path = filter->path == NULL;
    for (size_t i = 0; i < snapshot->path_count && !path; i++)
        path = path_is_inside(snapshot->paths[i], filter->path);
    bool tag = filter->tag == NULL;
    for (size_t i = 0; i < snapshot->tag_count && !tag; i++)
        tag = strcmp(filter->tag, snapshot->tags[i]) == 0;
    return path && tag;
}

int snapshot_explain(const struct snapshot_list *list, const struct snapshot_filter *filter,
                     struct err *err)
{
    const char *above = NULL;
    if (list->count == 0)
        return err_set(err, ERR_NOT_FOUND, "the vault has no snapshot yet");
    for (size_t i = list->count; i-- > 0 && filter != NULL && filter->path != NULL;)
        for (size_t j = 0; j < list->snapshots[i].path_count && above == NULL; j++)
            if (path_is_inside(filter->path, list->snapshots[i].paths[j]))
                above = list->snapshots[i].paths[j];
    if (above != NULL)
        return err_set(
            err, ERR_NOT_FOUND,
            "no snapshot was made of %s itself; of the folder above it there are: --path "
            "%s",
            filter->path, above[0] != '\0' ? above : "/");
    return err_set(err, ERR_NOT_FOUND, "no snapshot matches; `ecbak snapshots` lists them");
}

static int select_latest(const struct snapshot **snapshot, const struct snapshot_list *list,
                         const struct snapshot_filter *filter, struct err *err)
{
    for (size_t i = list->count; i-- > 0;) {
        if (snapshot_matches(&list->snapshots[i], filter)) {
            *snapshot = &list->snapshots[i];
            return 0;
        }
    }
    return snapshot_explain(list, filter, err);
}

int snapshot_select(const struct snapshot **snapshot, const struct snapshot_list *list,
                    const char *name, const struct snapshot_filter *filter, struct err *err)
{
    if (strcmp(name, "latest") == 0)
        return select_latest(snapshot, list, filter, err);
    size_t size = strlen(name);
    if (size < 4 || size > 2 * ID_SIZE || strspn(name, "0123456789abcdefABCDEF") != size)
        return err_set(err, ERR_USAGE,
                       "'%.80s' names no snapshot: give 'latest' or 4 digits or more of its id",
                       name);
    const struct snapshot *found = NULL;
    for (size_t i = 0; i < list->count; i++) {
        char id[2 * ID_SIZE + 1];
        hex_encode(id, list->snapshots[i].id.bytes, ID_SIZE);
        if (strncasecmp(id, name, size) != 0)
            continue;
        if (found != NULL)
            return err_set(err, ERR_USAGE, "several snapshots begin with %s: give more digits",
                           name);
        found = &list->snapshots[i];
    }
    if (found == NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "no snapshot begins with %s; `ecbak snapshots` lists them", name);
    *snapshot = found;
    return 0;
}
