/* All three files begin and end alike:
 *
 *   0    8   magic
 *   8    1   version, 1
 *   9    7   zero
 *   16       content
 *   ...  32  BLAKE2b-256 of all before it, its purpose being the magic
 *
 *   vault.key  "ecbkvkey": 32 secret
 *   writer.key "ecbkwkey": 16 writer id, 64 Ed25519 secret, certificate to the end
 *   sequence   "ecbkseqn": 8 last number reserved, 8 last number saved, 32 hash of that record
 */
#include "cli/home/home_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/base/hash.h"
#include "node/common/durable.h"
#include "node/trust/writer_cert.h"

#define FILE_VERSION 1
#define MAGIC_SIZE   8
#define HEAD_SIZE    16
#define FILE_MAX     4096

_Static_assert(HEAD_SIZE + WRITER_ID_SIZE + WRITER_SECRET_SIZE + WRITER_CERT_BYTES_MAX +
                       HASH_SIZE <=
                   FILE_MAX,
               "the largest of the files fits");

int home_join(char path[HOME_PATH_MAX], const char *dir, const char *name, struct err *err)
{
    int length = snprintf(path, HOME_PATH_MAX, "%s/%s", dir, name);
    if (length < 0 || length >= HOME_PATH_MAX)
        return err_set(err, ERR_INVALID, "the path \"%.64s...\" is too long", dir);
    return 0;
}

/* Writes head and content (at most FILE_MAX in all) with their digest. */
static int write_file(const char *dir, const char *name, const char *magic, const uint8_t *content,
                      size_t size, struct err *err)
{
    char path[HOME_PATH_MAX];
    uint8_t bytes[FILE_MAX], digest[HASH_SIZE];
    struct writer w;
    if (home_join(path, dir, name, err) != 0)
        return -1;
    writer_init(&w, bytes, sizeof(bytes));
    write_bytes(&w, magic, MAGIC_SIZE);
    write_u8(&w, FILE_VERSION);
    write_zero(&w, HEAD_SIZE - MAGIC_SIZE - 1);
    write_bytes(&w, content, size);
    hash_bytes(digest, magic, bytes, w.used);
    write_bytes(&w, digest, sizeof(digest));
    int result = w.failed ? err_set(err, ERR_INVALID, "%s: too much to write", path) : 0;
    struct durable_piece piece = {bytes, w.used};
    if (result == 0)
        result = durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, err);
    sodium_memzero(bytes, sizeof(bytes));
    return result;
}

/* The content of a file, malloc'd: wipe it where it is secret. */
static int read_file(const char *dir, const char *name, const char *magic, uint8_t **content,
                     size_t *size, struct err *err)
{
    char path[HOME_PATH_MAX];
    uint8_t *bytes = NULL, digest[HASH_SIZE];
    size_t whole;
    *content = NULL;
    *size = 0;
    if (home_join(path, dir, name, err) != 0 ||
        durable_read_secret(path, FILE_MAX, &bytes, &whole, err) != 0)
        return -1;
    struct reader r;
    reader_init(&r, bytes, whole);
    const uint8_t *found = read_view(&r, MAGIC_SIZE);
    unsigned version = read_u8(&r);
    read_zero(&r, HEAD_SIZE - MAGIC_SIZE - 1);
    int result = 0;
    if (found == NULL || memcmp(found, magic, MAGIC_SIZE) != 0)
        result = err_set(err, ERR_FORMAT, "%s is not what its name says", path);
    else if (version != FILE_VERSION && !r.failed)
        result = err_set(err, ERR_VERSION, "%s has version %u; this program knows version %d", path,
                         version, FILE_VERSION);
    else if (r.failed || r.left < HASH_SIZE)
        result = err_set(err, ERR_FORMAT, "%s is cut short", path);
    if (result == 0) {
        hash_bytes(digest, magic, bytes, whole - HASH_SIZE);
        if (memcmp(digest, bytes + whole - HASH_SIZE, HASH_SIZE) != 0)
            result = err_set(err, ERR_DAMAGED, "%s is damaged: its digest differs", path);
    }
    if (result == 0) {
        *size = whole - HEAD_SIZE - HASH_SIZE;
        *content = alloc_copy(bytes + HEAD_SIZE, *size);
    }
    sodium_memzero(bytes, whole);
    free(bytes);
    return result;
}

static void wipe(uint8_t *content, size_t size)
{
    if (content != NULL)
        sodium_memzero(content, size);
    free(content);
}

int vault_key_write(const char *dir, const uint8_t secret[VAULT_SECRET_SIZE], struct err *err)
{
    return write_file(dir, "vault.key", "ecbkvkey", secret, VAULT_SECRET_SIZE, err);
}

int vault_key_read(const char *dir, struct vault_keys **keys, struct err *err)
{
    uint8_t *content;
    size_t size;
    if (read_file(dir, "vault.key", "ecbkvkey", &content, &size, err) != 0)
        return -1;
    int result = size == VAULT_SECRET_SIZE
                     ? vault_keys_new(keys, content, err)
                     : err_set(err, ERR_FORMAT, "%s/vault.key has a wrong size", dir);
    wipe(content, size);
    return result;
}

int writer_key_write(const char *dir, const struct vault *vault, struct err *err)
{
    size_t size = WRITER_ID_SIZE + WRITER_SECRET_SIZE + vault->writer_cert_size;
    uint8_t *content = alloc_zero(size, 1);
    struct writer w;
    writer_init(&w, content, size);
    write_bytes(&w, vault->writer.bytes, WRITER_ID_SIZE);
    write_bytes(&w, vault->writer_secret, WRITER_SECRET_SIZE);
    write_bytes(&w, vault->writer_cert, vault->writer_cert_size);
    int result = write_file(dir, "writer.key", "ecbkwkey", content, size, err);
    wipe(content, size);
    return result;
}

/* The certificate must be this vault's, for this writer and this key. */
static int check_writer(const struct vault *vault, struct err *err)
{
    struct writer_cert cert;
    if (writer_cert_open(&cert, vault->writer_cert, vault->writer_cert_size, err) != 0)
        return err_context(err, "%s/writer.key", vault->dir);
    if (!id_equal(&cert.vault, &vault->keys->vault) || !id_equal(&cert.writer, &vault->writer) ||
        memcmp(cert.writer_key, vault->writer_secret + 32, sizeof(cert.writer_key)) != 0)
        return err_set(err, ERR_DAMAGED, "%s/writer.key does not belong to this vault", vault->dir);
    return 0;
}

int writer_key_read(struct vault *vault, struct err *err)
{
    uint8_t *content;
    size_t size;
    if (read_file(vault->dir, "writer.key", "ecbkwkey", &content, &size, err) != 0)
        return -1;
    int result = 0;
    struct reader r;
    reader_init(&r, content, size);
    vault->writer_secret = sodium_malloc(WRITER_SECRET_SIZE);
    if (vault->writer_secret == NULL) {
        result = err_set(err, ERR_MEMORY, "no protected memory for the writer's key");
        goto done;
    }
    read_bytes(&r, vault->writer.bytes, WRITER_ID_SIZE);
    read_bytes(&r, vault->writer_secret, WRITER_SECRET_SIZE);
    if (r.failed) {
        result = err_set(err, ERR_FORMAT, "%s/writer.key is cut short", vault->dir);
        goto done;
    }
    vault->writer_cert = alloc_copy(r.at, r.left);
    vault->writer_cert_size = r.left;
    result = check_writer(vault, err);
done:
    wipe(content, size);
    return result;
}

int sequence_write(const char *dir, const struct sequence *sequence, struct err *err)
{
    uint8_t content[8 + 8 + ID_SIZE];
    struct writer w;
    assert(sequence->reserved >= sequence->saved);
    writer_init(&w, content, sizeof(content));
    write_u64(&w, sequence->reserved);
    write_u64(&w, sequence->saved);
    write_bytes(&w, sequence->last.bytes, ID_SIZE);
    return write_file(dir, "sequence", "ecbkseqn", content, sizeof(content), err);
}

int sequence_read(const char *dir, struct sequence *sequence, struct err *err)
{
    uint8_t *content;
    size_t size;
    if (read_file(dir, "sequence", "ecbkseqn", &content, &size, err) != 0)
        return -1;
    struct reader r;
    reader_init(&r, content, size);
    sequence->reserved = read_u64(&r);
    sequence->saved = read_u64(&r);
    read_bytes(&r, sequence->last.bytes, ID_SIZE);
    int result = 0;
    if (r.failed || r.left != 0 || sequence->reserved < sequence->saved)
        result = err_set(err, ERR_FORMAT, "%s/sequence is malformed", dir);
    free(content);
    return result;
}
