/* A node's secrets, and the request that has them certified. The file keeps seeds only: what
 * follows from them is derived on loading, so no two fields can contradict each other.
 *
 *   node.key                                       request
 *   offset size                                    offset size
 *        0    4  magic "ENKY"                           0    4  magic "EREQ"
 *        4    2  version, 1                             4    2  version, 1
 *        6    2  zero                                   6    1  algorithm, 1 = Ed25519
 *        8   32  Ed25519 seed                           7    1  zero
 *       40   32  CURVE secret key                       8   32  node id
 *       72   16  BLAKE2b-128 of bytes 0 to 71          40   32  CURVE public key
 *                                                      72   32  name, filled up with zeros
 *                                                     104   32  zone, filled up with zeros
 *                                                     136   64  signature by the node's key over
 *                                                               "ecbak request 1", NUL, 0 to 135
 */
#include "node/trust/node_keys.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/common/armor.h"
#include "node/common/durable.h"
#include "node/trust/cert.h"
#include "node/trust/sign.h"

#define KEYS_MAGIC        "ENKY"
#define KEYS_VERSION      1
#define KEYS_BODY_SIZE    72
#define KEYS_DIGEST_SIZE  16
#define KEYS_SIZE         (KEYS_BODY_SIZE + KEYS_DIGEST_SIZE)
#define REQUEST_MAGIC     "EREQ"
#define REQUEST_VERSION   1
#define REQUEST_ALGORITHM 1
#define REQUEST_BODY_SIZE 136
#define REQUEST_SIZE      (REQUEST_BODY_SIZE + SIGN_SIZE)
#define REQUEST_CONTEXT   "ecbak request 1"

static struct node_keys *keys_allocate(void)
{
    struct node_keys *keys = sodium_malloc(sizeof(*keys));
    if (keys == NULL)
        abort();
    sodium_memzero(keys, sizeof(*keys));
    return keys;
}

struct node_keys *node_keys_new(void)
{
    struct node_keys *keys = keys_allocate();
    crypto_sign_keypair(keys->node.bytes, keys->sign_secret);
    crypto_box_keypair(keys->curve_public, keys->curve_secret);
    return keys;
}

struct node_keys *node_keys_rotated(const struct node_keys *keys)
{
    struct node_keys *rotated = node_keys_new();
    memcpy(rotated->sign_secret, keys->sign_secret, sizeof(rotated->sign_secret));
    rotated->node = keys->node;
    return rotated;
}

void node_keys_destroy(struct node_keys **keys)
{
    if (*keys != NULL)
        sodium_free(*keys); /* wipes */
    *keys = NULL;
}

int node_keys_save(const struct node_keys *keys, const char *path, struct err *err)
{
    uint8_t bytes[KEYS_SIZE];
    struct writer w;
    writer_init(&w, bytes, sizeof(bytes));
    write_bytes(&w, KEYS_MAGIC, 4);
    write_u16(&w, KEYS_VERSION);
    write_zero(&w, 2);
    write_bytes(&w, keys->sign_secret, crypto_sign_SEEDBYTES);
    write_bytes(&w, keys->curve_secret, sizeof(keys->curve_secret));
    assert(w.used == KEYS_BODY_SIZE);
    crypto_generichash(bytes + KEYS_BODY_SIZE, KEYS_DIGEST_SIZE, bytes, KEYS_BODY_SIZE, NULL, 0);
    struct durable_piece piece = {bytes, sizeof(bytes)};
    int result = durable_write(path, &piece, 1, 0600, DURABLE_NEW, err);
    sodium_memzero(bytes, sizeof(bytes));
    return result;
}

static int keys_parse(struct node_keys *keys, const uint8_t *bytes, size_t size, struct err *err)
{
    struct reader r;
    char magic[4];
    uint8_t seed[crypto_sign_SEEDBYTES];
    uint8_t digest[KEYS_DIGEST_SIZE];
    reader_init(&r, bytes, size);
    read_bytes(&r, magic, sizeof(magic));
    unsigned version = read_u16(&r);
    if (r.failed || memcmp(magic, KEYS_MAGIC, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "this is no node key");
    if (version != KEYS_VERSION)
        return err_set(err, ERR_VERSION, "node key of version %u: this program knows %u", version,
                       KEYS_VERSION);
    if (size != KEYS_SIZE)
        return err_set(err, ERR_FORMAT, "a node key has %d bytes, this one has %zu", KEYS_SIZE,
                       size);
    crypto_generichash(digest, sizeof(digest), bytes, KEYS_BODY_SIZE, NULL, 0);
    if (memcmp(digest, bytes + KEYS_BODY_SIZE, sizeof(digest)) != 0)
        return err_set(err, ERR_DAMAGED, "the node key is damaged: its checksum differs");
    read_zero(&r, 2);
    read_bytes(&r, seed, sizeof(seed));
    read_bytes(&r, keys->curve_secret, sizeof(keys->curve_secret));
    if (!r.failed) {
        crypto_sign_seed_keypair(keys->node.bytes, keys->sign_secret, seed);
        crypto_scalarmult_base(keys->curve_public, keys->curve_secret);
    }
    sodium_memzero(seed, sizeof(seed));
    return r.failed ? err_set(err, ERR_FORMAT, "the node key is malformed") : 0;
}

int node_keys_load(struct node_keys **keys, const char *path, struct err *err)
{
    uint8_t *bytes;
    size_t size;
    *keys = NULL;
    if (durable_read_secret(path, CERT_ARMOR_MAX, &bytes, &size, err) != 0)
        return -1;
    struct node_keys *loaded = keys_allocate();
    int result = keys_parse(loaded, bytes, size, err);
    sodium_memzero(bytes, size);
    free(bytes);
    if (result != 0) {
        node_keys_destroy(&loaded);
        return err_context(err, "%s", path);
    }
    *keys = loaded;
    return 0;
}

int cert_request(char line[CERT_ARMOR_MAX], const struct node_keys *keys, const char *name,
                 const char *zone, struct err *err)
{
    uint8_t bytes[REQUEST_SIZE];
    struct writer w;
    if (!cert_name_valid(name) || !cert_name_valid(zone))
        return err_set(err, ERR_FORMAT,
                       "name \"%.64s\" or zone \"%.64s\": each is 1 to %d of A-Z a-z 0-9 . _ -",
                       name, zone, CERT_NAME_MAX);
    writer_init(&w, bytes, sizeof(bytes));
    write_bytes(&w, REQUEST_MAGIC, 4);
    write_u16(&w, REQUEST_VERSION);
    write_u8(&w, REQUEST_ALGORITHM);
    write_u8(&w, 0);
    write_bytes(&w, keys->node.bytes, sizeof(keys->node));
    write_bytes(&w, keys->curve_public, sizeof(keys->curve_public));
    write_bytes(&w, name, strlen(name));
    write_zero(&w, CERT_NAME_MAX + 1 - strlen(name));
    write_bytes(&w, zone, strlen(zone));
    write_zero(&w, CERT_NAME_MAX + 1 - strlen(zone));
    assert(w.used == REQUEST_BODY_SIZE);
    sign_body(bytes + REQUEST_BODY_SIZE, REQUEST_CONTEXT, bytes, REQUEST_BODY_SIZE,
              keys->sign_secret);
    return armor_encode(line, CERT_ARMOR_MAX, "request", REQUEST_VERSION, bytes, sizeof(bytes),
                        err);
}

int cert_request_read(struct cert *c, const char *line, struct err *err)
{
    uint8_t bytes[REQUEST_SIZE];
    size_t size;
    struct reader r;
    char magic[4];
    memset(c, 0, sizeof(*c));
    if (armor_decode(bytes, sizeof(bytes), &size, "request", REQUEST_VERSION, line, err) != 0)
        return -1;
    reader_init(&r, bytes, size);
    read_bytes(&r, magic, sizeof(magic));
    unsigned version = read_u16(&r);
    unsigned algorithm = read_u8(&r);
    if (r.failed || memcmp(magic, REQUEST_MAGIC, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "these bytes are no request");
    if (version != REQUEST_VERSION || algorithm != REQUEST_ALGORITHM)
        return err_set(err, ERR_VERSION,
                       "request of version %u, algorithm %u: this program knows %u and %u", version,
                       algorithm, REQUEST_VERSION, REQUEST_ALGORITHM);
    read_zero(&r, 1);
    read_bytes(&r, c->node.bytes, sizeof(c->node));
    read_bytes(&r, c->curve, sizeof(c->curve));
    read_bytes(&r, c->name, sizeof(c->name));
    read_bytes(&r, c->zone, sizeof(c->zone));
    const uint8_t *signature = read_view(&r, SIGN_SIZE);
    if (r.failed || r.left != 0)
        return err_set(err, ERR_FORMAT, "the request is cut or malformed");
    if (!sign_check(signature, REQUEST_CONTEXT, bytes, REQUEST_BODY_SIZE, c->node.bytes))
        return err_set(err, ERR_DAMAGED, "the request is not signed by the key that it names");
    c->name[CERT_NAME_MAX] = '\0';
    c->zone[CERT_NAME_MAX] = '\0';
    if (!cert_name_valid(c->name) || !cert_name_valid(c->zone))
        return err_set(err, ERR_FORMAT, "the request has a malformed name or zone");
    return 0;
}
