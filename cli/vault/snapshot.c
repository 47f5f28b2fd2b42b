/* Sealed:
 *
 *   0   1   version, 1, or 2 when index packs were replaced
 *   1   1   suite, 1: XChaCha20-Poly1305
 *   2   2   zero
 *   4   24  nonce, random
 *   28      plaintext, sealed under the vault's record key; bound: "ecbak snapshot" and two zeros,
 *           bytes 0-3, vault id, writer id, number (8). The whole has a Padmé length.
 *
 * Plaintext, numbers and texts as in compact.h:
 *
 *   n   seconds, folded;  n  nanoseconds
 *   t   host              t  user
 *   n   paths, a t each   n  tags, a t each
 *   n   chunks of the root directory, 32 bytes each
 *   n   index packs, 32 bytes each
 *   n   files             n  bytes             n  bytes that were new
 *   n   0, for what was seen of other writers
 *   n   index packs replaced, 32 bytes each (version 2)
 *       zeros, to the end
 *
 * Writer and number are bound in, so that a thief of a writer's key cannot sign an old snapshot's
 * sealed part as a new record. The nonce is random, since numbers could repeat when a machine is
 * set back to an old image.
 */
#include "cli/vault/snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cli/vault/compact.h"
#include "cli/vault/pack.h"
#include "coding/base/alloc.h"
#include "node/trust/record.h"

#define SNAPSHOT_VERSION         1
#define SNAPSHOT_VERSION_REPLACE 2
#define SNAPSHOT_SUITE           1
#define HEAD_SIZE                4
#define NONCE_SIZE               24
#define PLAIN_AT                 (HEAD_SIZE + NONCE_SIZE)
#define TAG_SIZE                 16
#define PURPOSE_SIZE             16
#define BOUND_SIZE               (PURPOSE_SIZE + HEAD_SIZE + ID_SIZE + WRITER_ID_SIZE + 8)
#define NANOSECONDS_MAX          999999999u

static void bind_record(uint8_t bound[BOUND_SIZE], const uint8_t head[HEAD_SIZE],
                        const struct vault_id *vault, const struct writer_id *writer,
                        uint64_t number)
{
    static const char purpose[PURPOSE_SIZE] = "ecbak snapshot";
    struct writer w;
    writer_init(&w, bound, BOUND_SIZE);
    write_bytes(&w, purpose, sizeof(purpose));
    write_bytes(&w, head, HEAD_SIZE);
    write_bytes(&w, vault->bytes, ID_SIZE);
    write_bytes(&w, writer->bytes, WRITER_ID_SIZE);
    write_u64(&w, number);
}

/* ---- sealing ---- */

static int put_text(struct buffer *b, const char *text, const char *what, struct err *err)
{
    size_t size = text != NULL ? strlen(text) : 0;
    if (size > SNAPSHOT_TEXT_MAX)
        return err_set(err, ERR_INVALID, "%s of %zu bytes; at most %d fit a snapshot", what, size,
                       SNAPSHOT_TEXT_MAX);
    compact_text(b, text, size);
    return 0;
}

static int put_texts(struct buffer *b, char *const *texts, size_t count, size_t max,
                     const char *what, struct err *err)
{
    if (count > max)
        return err_set(err, ERR_INVALID, "%zu times %s; at most %zu fit a snapshot", count, what,
                       max);
    compact_number(b, count);
    for (size_t i = 0; i < count; i++)
        if (put_text(b, texts[i], what, err) != 0)
            return -1;
    return 0;
}

static int put_all(struct buffer *b, const struct snapshot *s, struct err *err)
{
    if (s->time_ns > NANOSECONDS_MAX)
        return err_set(err, ERR_INVALID, "a snapshot's time");
    compact_signed(b, s->time_s);
    compact_number(b, s->time_ns);
    if (put_text(b, s->host, "a host name", err) != 0 ||
        put_text(b, s->user, "a user name", err) != 0 ||
        put_texts(b, s->paths, s->path_count, SNAPSHOT_PATHS_MAX, "a path", err) != 0 ||
        put_texts(b, s->tags, s->tag_count, SNAPSHOT_TAGS_MAX, "a tag", err) != 0)
        return -1;
    if (s->root_count > SNAPSHOT_BYTES_MAX / ID_SIZE ||
        s->index_pack_count > SNAPSHOT_BYTES_MAX / ID_SIZE ||
        s->replaced_count > SNAPSHOT_BYTES_MAX / ID_SIZE)
        return err_set(err, ERR_INVALID, "a snapshot with too many root chunks or index packs");
    compact_number(b, s->root_count);
    buffer_append(b, s->root, s->root_count * ID_SIZE);
    compact_number(b, s->index_pack_count);
    buffer_append(b, s->index_packs, s->index_pack_count * ID_SIZE);
    compact_number(b, s->files);
    compact_number(b, s->bytes);
    compact_number(b, s->bytes_new);
    compact_number(b, 0);
    if (s->replaced_count > 0) {
        compact_number(b, s->replaced_count);
        buffer_append(b, s->replaced, s->replaced_count * ID_SIZE);
    }
    return 0;
}

int snapshot_seal(const struct snapshot *s, const struct vault_keys *keys, uint8_t **sealed,
                  size_t *size, struct err *err)
{
    uint8_t head[PLAIN_AT] = {SNAPSHOT_VERSION, SNAPSHOT_SUITE}, bound[BOUND_SIZE];
    struct buffer b = {0};
    if (s->replaced_count > 0)
        head[0] = SNAPSHOT_VERSION_REPLACE;
    randombytes_buf(head + HEAD_SIZE, NONCE_SIZE);
    buffer_append(&b, head, sizeof(head));
    if (put_all(&b, s, err) != 0) {
        buffer_release(&b);
        return -1;
    }
    size_t whole = padme(b.size + TAG_SIZE);
    if (whole > SNAPSHOT_BYTES_MAX) {
        buffer_release(&b);
        return err_set(
            err, ERR_INVALID,
            "a snapshot of %zu bytes; at most %d fit a record: store fewer paths at once", whole,
            SNAPSHOT_BYTES_MAX);
    }
    assert(whole >= b.size + TAG_SIZE && padme(whole) == whole);
    uint8_t *bytes = alloc_zero(whole, 1);
    memcpy(bytes, b.bytes, b.size);
    buffer_release(&b);
    bind_record(bound, bytes, &keys->vault, &s->writer, s->number);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + PLAIN_AT, NULL, bytes + PLAIN_AT,
                                               whole - PLAIN_AT - TAG_SIZE, bound, sizeof(bound),
                                               NULL, head + HEAD_SIZE, keys->record_key);
    *sealed = bytes;
    *size = whole;
    return 0;
}

/* ---- opening ---- */

static char *take_text(struct reader *r)
{
    size_t size;
    const char *view = read_compact_text(r, 0, SNAPSHOT_TEXT_MAX, &size);
    char *text = alloc_zero(size + 1, 1);
    if (view != NULL)
        memcpy(text, view, size);
    return text;
}

static char **take_texts(struct reader *r, size_t max, size_t *count)
{
    *count = (size_t)read_compact(r, max);
    if (r->failed || *count > r->left) {
        r->failed = true;
        *count = 0;
    }
    char **texts = alloc_zero(*count, sizeof(texts[0]));
    for (size_t i = 0; i < *count; i++)
        texts[i] = take_text(r);
    return texts;
}

/* Ids of 32 bytes, counted. */
static void *take_ids(struct reader *r, size_t *count)
{
    *count = (size_t)read_compact(r, r->left / ID_SIZE);
    const uint8_t *ids = read_view(r, *count * ID_SIZE);
    if (ids == NULL)
        *count = 0;
    return alloc_copy(ids, *count * ID_SIZE);
}

static int take_all(struct snapshot *s, uint8_t version, const uint8_t *bytes, size_t size,
                    struct err *err)
{
    struct reader r;
    reader_init(&r, bytes, size);
    s->time_s = read_compact_signed(&r);
    s->time_ns = (uint32_t)read_compact(&r, NANOSECONDS_MAX);
    s->host = take_text(&r);
    s->user = take_text(&r);
    s->paths = take_texts(&r, SNAPSHOT_PATHS_MAX, &s->path_count);
    s->tags = take_texts(&r, SNAPSHOT_TAGS_MAX, &s->tag_count);
    s->root = take_ids(&r, &s->root_count);
    s->index_packs = take_ids(&r, &s->index_pack_count);
    s->files = read_compact(&r, UINT64_MAX);
    s->bytes = read_compact(&r, UINT64_MAX);
    s->bytes_new = read_compact(&r, UINT64_MAX);
    read_compact(&r, 0);
    if (version == SNAPSHOT_VERSION_REPLACE)
        s->replaced = take_ids(&r, &s->replaced_count);
    read_zero(&r, r.left);
    return r.failed ? err_set(err, ERR_FORMAT, "a snapshot's content is malformed") : 0;
}

static int check_head(const struct vault_keys *keys, const struct record *record, struct err *err)
{
    const uint8_t *head = record->sealed;
    if (!id_equal(&record->vault, &keys->vault))
        return err_set(err, ERR_KEY, "a record of another vault");
    if (record->kind != RECORD_SNAPSHOT)
        return err_set(err, ERR_VERSION, "a record of kind %u; this program knows snapshots (%d)",
                       record->kind, RECORD_SNAPSHOT);
    if (record->sealed_size < PLAIN_AT + TAG_SIZE || record->sealed_size > SNAPSHOT_BYTES_MAX ||
        padme(record->sealed_size) != record->sealed_size)
        return err_set(err, ERR_FORMAT, "%zu bytes are not the size of a snapshot",
                       record->sealed_size);
    if (head[0] < SNAPSHOT_VERSION || head[0] > SNAPSHOT_VERSION_REPLACE ||
        head[1] != SNAPSHOT_SUITE)
        return err_set(err, ERR_VERSION,
                       "a snapshot of version %u and suite %u; this program knows %d to %d and %d",
                       head[0], head[1], SNAPSHOT_VERSION, SNAPSHOT_VERSION_REPLACE,
                       SNAPSHOT_SUITE);
    if (head[2] != 0 || head[3] != 0)
        return err_set(err, ERR_FORMAT, "a snapshot's reserved bytes are not zero");
    return 0;
}

int snapshot_open(struct snapshot *s, const struct vault_keys *keys, const struct record *record,
                  struct err *err)
{
    uint8_t bound[BOUND_SIZE];
    *s = (struct snapshot){0};
    if (check_head(keys, record, err) != 0)
        return -1;
    size_t size = record->sealed_size - PLAIN_AT;
    uint8_t *plain = alloc_zero(size, 1);
    bind_record(bound, record->sealed, &record->vault, &record->writer, record->number);
    int result = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain, NULL, NULL, record->sealed + PLAIN_AT, size, bound, sizeof(bound),
            record->sealed + HEAD_SIZE, keys->record_key) != 0)
        result = err_set(err, ERR_DAMAGED, "a snapshot is damaged: its seal does not hold");
    if (result == 0)
        result = take_all(s, record->sealed[0], plain, size - TAG_SIZE, err);
    s->relied_count = record->index_pack_count;
    s->relied =
        alloc_copy(record->index_packs, record->index_pack_count * sizeof(record->index_packs[0]));
    s->id = record->hash;
    s->writer = record->writer;
    s->number = record->number;
    free(plain);
    if (result != 0)
        snapshot_release(s);
    return result;
}

void snapshot_release(struct snapshot *s)
{
    for (size_t i = 0; i < s->path_count; i++)
        free(s->paths[i]);
    for (size_t i = 0; i < s->tag_count; i++)
        free(s->tags[i]);
    free(s->paths);
    free(s->tags);
    free(s->host);
    free(s->user);
    free(s->root);
    free(s->index_packs);
    free(s->replaced);
    free(s->relied);
    *s = (struct snapshot){0};
}
