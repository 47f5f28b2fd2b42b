/* A flat array: revocations are rare, and comparing a thousand ids costs less than a signature.
 *
 *   offset  size  field
 *   0       8     magic "ecbakrvk"
 *   8       2     version, 1
 *   10      2     revocations, at most REVOCATIONS_MAX
 *   12      4     zero
 *   16      392   for each: the revocation as signed (320), where its bulk socket was, as text,
 *                 filled up with zeros (72)
 *   end     32    BLAKE2b-256 of all before
 *
 * Each revocation carries its own proof, so a file with a wrong checksum still gives up those that
 * are whole: else a revoked node would be let in until another member tells of it. */
#include "node/net/revocations.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/base/hash.h"
#include "node/common/durable.h"

#define MAGIC       "ecbakrvk"
#define VERSION     1
#define PURPOSE     "ecbak revoked"
#define HEADER_SIZE 16
#define ENTRY_SIZE  (REVOCATION_BYTES + REVOCATION_ADDRESS_SIZE)
#define BYTES_MAX   (HEADER_SIZE + REVOCATIONS_MAX * ENTRY_SIZE + HASH_SIZE)

struct revocations {
    pthread_mutex_t writing; /* the file: one at a time, taken before the lock */
    pthread_mutex_t lock; /* never held while a disk is waited for: each message is checked here */
    char path[DURABLE_PATH_MAX];
    uint8_t authority_public[32];
    struct revoked *list;
    size_t count;
    struct revocation_digest digest;
    bool changed; /* the file is behind */
};

static bool is_pointless(const struct revocation *r, int64_t now_s)
{
    return r->until_s < now_s - CERT_SLACK_S;
}

/* With the lock held. */
static void count_digest(struct revocations *set)
{
    set->digest = (struct revocation_digest){.count = (uint32_t)set->count};
    for (size_t i = 0; i < set->count; i++) {
        uint8_t bytes[REVOCATION_BYTES], hash[HASH_SIZE];
        struct reader first;
        if (revocation_encode(&set->list[i].revocation, bytes, NULL) != 0)
            continue; /* it was decoded once */
        hash_bytes(hash, PURPOSE, bytes, sizeof(bytes));
        reader_init(&first, hash, sizeof(uint64_t));
        set->digest.digest ^= read_u64(&first);
    }
}

static bool address_is_plain(const char *address)
{
    size_t length = strnlen(address, REVOCATION_ADDRESS_SIZE);
    for (size_t i = 0; i < length; i++)
        if (address[i] <= ' ' || address[i] >= 0x7f)
            return false;
    return length < REVOCATION_ADDRESS_SIZE;
}

/* With the lock held. */
static void place(struct revocations *set, struct revoked *revoked, const char *bulk)
{
    if (bulk == NULL || bulk[0] == '\0' || !address_is_plain(bulk) ||
        strcmp(revoked->bulk, bulk) == 0)
        return;
    memset(revoked->bulk, 0, sizeof(revoked->bulk));
    memcpy(revoked->bulk, bulk, strlen(bulk));
    set->changed = true;
}

int revocations_add(struct revocations *set, const uint8_t *bytes, size_t size, const char *bulk,
                    int64_t now_s, bool *added, struct err *err)
{
    struct revocation r;
    *added = false;
    if (revocation_decode(&r, bytes, size, err) != 0 ||
        revocation_check(&r, set->authority_public, err) != 0)
        return -1;
    if (is_pointless(&r, now_s))
        return 0;
    int result = 0;
    struct revoked *known = NULL;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->count && known == NULL; i++)
        if (memcmp(set->list[i].revocation.signature, r.signature, sizeof(r.signature)) == 0)
            known = &set->list[i];
    if (known != NULL) {
        if (known->bulk[0] == '\0') /* what we know ourselves is better than what another says */
            place(set, known, bulk);
    } else if (set->count == REVOCATIONS_MAX) {
        result = err_set(err, ERR_FULL, "%d nodes are revoked, no more can be remembered",
                         REVOCATIONS_MAX);
    } else {
        set->list = alloc_grow(set->list, set->count + 1, sizeof(*set->list));
        struct revoked *revoked = &set->list[set->count++];
        *revoked = (struct revoked){.revocation = r};
        place(set, revoked, bulk);
        count_digest(set);
        set->changed = *added = true;
    }
    pthread_mutex_unlock(&set->lock);
    return result;
}

void revocations_place(struct revocations *set, const struct node_id *node, const char *bulk)
{
    if (set == NULL)
        return;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->count; i++)
        if (id_equal(&set->list[i].revocation.node, node))
            place(set, &set->list[i], bulk);
    pthread_mutex_unlock(&set->lock);
}

void revocations_forget(struct revocations *set, int64_t now_s)
{
    size_t kept = 0;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->count; i++)
        if (!is_pointless(&set->list[i].revocation, now_s))
            set->list[kept++] = set->list[i];
    if (kept != set->count) {
        set->count = kept;
        count_digest(set);
        set->changed = true;
    }
    pthread_mutex_unlock(&set->lock);
}

bool revocations_cover(struct revocations *set, const struct node_id *node, const uint8_t curve[32],
                       uint64_t serial, struct revocation *which)
{
    bool covered = false;
    if (set == NULL)
        return false;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->count && !covered; i++) {
        covered = revocation_covers(&set->list[i].revocation, node, curve, serial);
        if (covered && which != NULL)
            *which = set->list[i].revocation;
    }
    pthread_mutex_unlock(&set->lock);
    return covered;
}

int revocations_check(struct revocations *set, const struct node_id *node, const uint8_t curve[32],
                      uint64_t serial, struct err *err)
{
    struct revocation which;
    if (!revocations_cover(set, node, curve, serial, &which))
        return 0;
    return err_set(err, ERR_DENIED, "the certificate of \"%s\" was revoked%s%s", which.name,
                   which.reason[0] != '\0' ? ": " : "", which.reason);
}

struct revocation_digest revocations_digest(struct revocations *set)
{
    if (set == NULL)
        return (struct revocation_digest){0};
    pthread_mutex_lock(&set->lock);
    struct revocation_digest digest = set->digest;
    pthread_mutex_unlock(&set->lock);
    return digest;
}

size_t revocations_list(struct revocations *set, struct revoked **list)
{
    *list = NULL;
    if (set == NULL)
        return 0;
    pthread_mutex_lock(&set->lock);
    size_t count = set->count;
    if (count > 0)
        *list = alloc_copy(set->list, count * sizeof(*set->list));
    pthread_mutex_unlock(&set->lock);
    return count;
}

/* ---- the file ------------------------------------------------------------------------------ */

/* With the lock held; *size is that of the file. NULL: err says why. */
static uint8_t *encode(const struct revocations *set, size_t *size, struct err *err)
{
    struct writer w;
    uint8_t hash[HASH_SIZE];
    *size = HEADER_SIZE + set->count * ENTRY_SIZE + HASH_SIZE;
    uint8_t *bytes = alloc_zero(*size, 1);
    writer_init(&w, bytes, *size);
    write_bytes(&w, MAGIC, 8);
    write_u16(&w, VERSION);
    write_u16(&w, (uint16_t)set->count);
    write_zero(&w, 4);
    for (size_t i = 0; i < set->count; i++) {
        uint8_t signed_bytes[REVOCATION_BYTES];
        if (revocation_encode(&set->list[i].revocation, signed_bytes, err) != 0) {
            free(bytes);
            return NULL;
        }
        write_bytes(&w, signed_bytes, sizeof(signed_bytes));
        write_bytes(&w, set->list[i].bulk, REVOCATION_ADDRESS_SIZE);
    }
    hash_bytes(hash, PURPOSE, bytes, w.used);
    write_bytes(&w, hash, sizeof(hash));
    assert(!w.failed && w.left == 0);
    return bytes;
}

static void set_changed(struct revocations *set)
{
    pthread_mutex_lock(&set->lock);
    set->changed = true;
    pthread_mutex_unlock(&set->lock);
}

int revocations_save(struct revocations *set, struct err *err)
{
    size_t size = 0;
    int result = 0;
    pthread_mutex_lock(&set->writing);
    pthread_mutex_lock(&set->lock);
    bool behind = set->changed;
    uint8_t *bytes = behind ? encode(set, &size, err) : NULL;
    set->changed = false; /* what comes from now on is not in these bytes */
    pthread_mutex_unlock(&set->lock);
    const struct durable_piece piece = {bytes, size};
    if (behind)
        result =
            bytes != NULL ? durable_write(set->path, &piece, 1, 0600, DURABLE_REPLACE, err) : -1;
    if (result != 0)
        set_changed(set);
    pthread_mutex_unlock(&set->writing);
    free(bytes);
    return result;
}

bool revocations_read(struct revocations *set, const uint8_t *bytes, size_t size, int64_t now_s,
                      size_t *dropped)
{
    struct reader r;
    uint8_t magic[8], hash[HASH_SIZE];
    reader_init(&r, bytes, size);
    read_bytes(&r, magic, sizeof(magic));
    uint16_t version = read_u16(&r);
    size_t count = read_u16(&r);
    read_zero(&r, 4);
    bool whole = !r.failed && memcmp(magic, MAGIC, sizeof(magic)) == 0 && version == VERSION &&
                 count <= REVOCATIONS_MAX && size == HEADER_SIZE + count * ENTRY_SIZE + HASH_SIZE;
    if (whole) {
        hash_bytes(hash, PURPOSE, bytes, size - HASH_SIZE);
        whole = memcmp(hash, bytes + size - HASH_SIZE, HASH_SIZE) == 0;
    }
    size_t there = size < HEADER_SIZE ? 0 : (size - HEADER_SIZE) / ENTRY_SIZE;
    for (size_t i = 0; i < there && i < REVOCATIONS_MAX; i++) {
        const uint8_t *entry = bytes + HEADER_SIZE + i * ENTRY_SIZE;
        char bulk[REVOCATION_ADDRESS_SIZE];
        bool added;
        memcpy(bulk, entry + REVOCATION_BYTES, sizeof(bulk));
        bulk[sizeof(bulk) - 1] = '\0';
        *dropped += revocations_add(set, entry, REVOCATION_BYTES, bulk, now_s, &added, NULL) != 0;
    }
    return whole;
}

int revocations_open(struct revocations **set, const char *path, const uint8_t authority_public[32],
                     int64_t now_s, size_t *dropped, struct err *err)
{
    struct revocations *s = alloc_zero(1, sizeof(*s));
    uint8_t *bytes = NULL;
    size_t size = 0;
    *dropped = 0;
    pthread_mutex_init(&s->writing, NULL);
    pthread_mutex_init(&s->lock, NULL);
    memcpy(s->authority_public, authority_public, sizeof(s->authority_public));
    if ((size_t)snprintf(s->path, sizeof(s->path), "%s", path) >= sizeof(s->path)) {
        revocations_close(&s);
        return err_set(err, ERR_INVALID, "the path %.64s... is too long", path);
    }
    if (durable_read(path, BYTES_MAX, &bytes, &size, err) == 0) {
        if (!revocations_read(s, bytes, size, now_s, dropped) && *dropped == 0)
            *dropped = 1;
        s->changed = *dropped > 0;
    } else if (err->code == ERR_FORMAT) {
        *dropped = 1; /* larger than any that was written */
        s->changed = true;
    } else if (err->code != ERR_NOT_FOUND) {
        revocations_close(&s);
        return -1;
    }
    free(bytes);
    *set = s;
    return 0;
}

void revocations_close(struct revocations **set)
{
    if (*set == NULL)
        return;
    pthread_mutex_destroy(&(*set)->writing);
    pthread_mutex_destroy(&(*set)->lock);
    free((*set)->list);
    free(*set);
    *set = NULL;
}
