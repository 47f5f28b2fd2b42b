/* The operator's key. It lies on the machine from which nodes are set up, never on a node.
 *
 *   authority.key                                  authority.pub
 *   offset size                                    64 hexadecimal digits and a newline:
 *        0    4  magic "EAKY"                      the Ed25519 public key
 *        4    2  version, 1
 *        6    2  zero
 *        8   32  Ed25519 seed
 *       40   16  BLAKE2b-128 of bytes 0 to 39
 */
#include "node/trust/authority.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/common/durable.h"
#include "node/trust/cert.h"

#define AUTHORITY_MAGIC       "EAKY"
#define AUTHORITY_VERSION     1
#define AUTHORITY_BODY_SIZE   40
#define AUTHORITY_DIGEST_SIZE 16
#define AUTHORITY_SIZE        (AUTHORITY_BODY_SIZE + AUTHORITY_DIGEST_SIZE)
#define PUBLIC_LINE_MAX       80

static int path_in(char path[DURABLE_PATH_MAX], const char *dir, const char *name, struct err *err)
{
    int length = snprintf(path, DURABLE_PATH_MAX, "%s/%s", dir, name);
    if (length < 0 || length >= DURABLE_PATH_MAX)
        return err_set(err, ERR_INVALID, "the path \"%.64s...\" is too long", dir);
    return 0;
}

static int secret_save(const char *path, const uint8_t seed[crypto_sign_SEEDBYTES], struct err *err)
{
    uint8_t bytes[AUTHORITY_SIZE];
    struct writer w;
    writer_init(&w, bytes, sizeof(bytes));
    write_bytes(&w, AUTHORITY_MAGIC, 4);
    write_u16(&w, AUTHORITY_VERSION);
    write_zero(&w, 2);
    write_bytes(&w, seed, crypto_sign_SEEDBYTES);
    assert(w.used == AUTHORITY_BODY_SIZE);
    crypto_generichash(bytes + AUTHORITY_BODY_SIZE, AUTHORITY_DIGEST_SIZE, bytes,
                       AUTHORITY_BODY_SIZE, NULL, 0);
    struct durable_piece piece = {bytes, sizeof(bytes)};
    int result = durable_write(path, &piece, 1, 0600, DURABLE_NEW, err);
    sodium_memzero(bytes, sizeof(bytes));
    return result;
}

int authority_init(const char *dir, uint8_t public_key[32], struct err *err)
{
    char path[DURABLE_PATH_MAX];
    char line[2 * 32 + 2];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    if (durable_make_dir(dir, 0700, err) != 0 || path_in(path, dir, "authority.key", err) != 0)
        return -1;
    crypto_sign_keypair(public_key, secret);
    int result = secret_save(path, secret, err);
    sodium_memzero(secret, sizeof(secret));
    if (result != 0 || path_in(path, dir, "authority.pub", err) != 0)
        return -1;
    /* The secret was new, so a public key that is there belongs to one that is lost. */
    hex_encode(line, public_key, 32);
    line[64] = '\n';
    struct durable_piece piece = {line, 65};
    return durable_write(path, &piece, 1, 0644, DURABLE_REPLACE, err);
}

static int secret_parse(uint8_t secret[64], const uint8_t *bytes, size_t size, struct err *err)
{
    struct reader r;
    char magic[4];
    uint8_t public_key[32];
    uint8_t digest[AUTHORITY_DIGEST_SIZE];
    reader_init(&r, bytes, size);
    read_bytes(&r, magic, sizeof(magic));
    unsigned version = read_u16(&r);
    if (r.failed || memcmp(magic, AUTHORITY_MAGIC, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "this is no authority key");
    if (version != AUTHORITY_VERSION)
        return err_set(err, ERR_VERSION, "authority key of version %u: this program knows %u",
                       version, AUTHORITY_VERSION);
    read_zero(&r, 2);
    const uint8_t *seed = read_view(&r, crypto_sign_SEEDBYTES);
    if (r.failed || size != AUTHORITY_SIZE)
        return err_set(err, ERR_FORMAT, "an authority key has %d bytes, this one has %zu",
                       AUTHORITY_SIZE, size);
    crypto_generichash(digest, sizeof(digest), bytes, AUTHORITY_BODY_SIZE, NULL, 0);
    if (memcmp(digest, bytes + AUTHORITY_BODY_SIZE, sizeof(digest)) != 0)
        return err_set(err, ERR_DAMAGED, "the authority key is damaged: its checksum differs");
    crypto_sign_seed_keypair(public_key, secret, seed);
    return 0;
}

int authority_load(const char *dir, uint8_t secret[64], struct err *err)
{
    char path[DURABLE_PATH_MAX];
    uint8_t *bytes;
    size_t size;
    if (path_in(path, dir, "authority.key", err) != 0 ||
        durable_read_secret(path, CERT_ARMOR_MAX, &bytes, &size, err) != 0)
        return -1;
    int result = secret_parse(secret, bytes, size, err);
    sodium_memzero(bytes, size);
    free(bytes);
    return result == 0 ? 0 : err_context(err, "%s", path);
}

int authority_public_load(const char *path, uint8_t public_key[32], struct err *err)
{
    char line[PUBLIC_LINE_MAX + 1] = "";
    uint8_t *bytes;
    size_t size;
    if (durable_read(path, PUBLIC_LINE_MAX, &bytes, &size, err) != 0)
        return -1;
    memcpy(line, bytes, size);
    free(bytes);
    line[strcspn(line, " \t\r\n")] = '\0';
    if (hex_decode(public_key, 32, line) != 0)
        return err_set(err, ERR_FORMAT, "%s: an authority's public key is 64 hexadecimal digits",
                       path);
    return 0;
}
