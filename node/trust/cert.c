/* A certificate is a fixed table, not a protobuf: it is read before a peer is trusted with anything
 * else, and one length, one order and no optional fields leave nothing to interpret.
 *
 *   offset size
 *        0    4  magic "ECRT"
 *        4    2  version, 1
 *        6    1  signature algorithm, 1 = Ed25519
 *        7    1  zero
 *        8   32  cluster
 *       40   32  node id
 *       72   32  CURVE public key
 *      104    8  serial
 *      112    8  not before, seconds since 1970
 *      120    8  not after
 *      128   32  name, filled up with zeros
 *      160   32  zone, filled up with zeros
 *      192   64  signature by the authority over "ecbak certificate 1", NUL, bytes 0 to 191
 */
#include "node/trust/cert.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/common/armor.h"
#include "node/common/durable.h"
#include "node/trust/sign.h"

#define CERT_MAGIC     "ECRT"
#define CERT_VERSION   1
#define CERT_ALGORITHM 1
#define CERT_BODY_SIZE 192
#define CERT_CONTEXT   "ecbak certificate 1"

_Static_assert(CERT_BODY_SIZE + SIGN_SIZE == CERT_BYTES_MAX, "the table above");

bool cert_name_valid(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strnlen(name, CERT_NAME_MAX + 1);
    return length >= 1 && length <= CERT_NAME_MAX && strspn(name, allowed) == length;
}

bool cert_zone_guessed(const char *zone)
{
    static const char lan[] = CERT_ZONE_LAN "-";
    const size_t size = sizeof(lan) - 1;
    return strcmp(zone, CERT_ZONE_VM) == 0 ||
           (strncmp(zone, lan, size) == 0 && strlen(zone) == size + 8 &&
            strspn(zone + size, "0123456789abcdef") == 8);
}

/* Names and dates that no certificate may have, whoever signed it. */
static int check_fields(const struct cert *c, struct err *err)
{
    if (!cert_name_valid(c->name))
        return err_set(err, ERR_FORMAT, "a node's name is 1 to %d of A-Z a-z 0-9 . _ -",
                       CERT_NAME_MAX);
    if (!cert_name_valid(c->zone))
        return err_set(err, ERR_FORMAT, "a node's zone is 1 to %d of A-Z a-z 0-9 . _ -",
                       CERT_NAME_MAX);
    if (c->not_before_s < 0 || c->not_after_s < c->not_before_s)
        return err_set(err, ERR_FORMAT, "certificate of \"%s\": its dates are impossible", c->name);
    return 0;
}

int cert_encode(const struct cert *c, uint8_t bytes[CERT_BYTES_MAX], size_t *size, struct err *err)
{
    struct writer w;
    if (check_fields(c, err) != 0)
        return -1;
    writer_init(&w, bytes, CERT_BYTES_MAX);
    write_bytes(&w, CERT_MAGIC, 4);
    write_u16(&w, CERT_VERSION);
    write_u8(&w, CERT_ALGORITHM);
    write_u8(&w, 0);
    write_bytes(&w, c->cluster.bytes, sizeof(c->cluster));
    write_bytes(&w, c->node.bytes, sizeof(c->node));
    write_bytes(&w, c->curve, sizeof(c->curve));
    write_u64(&w, c->serial);
    write_u64(&w, (uint64_t)c->not_before_s);
    write_u64(&w, (uint64_t)c->not_after_s);
    write_bytes(&w, c->name, strlen(c->name));
    write_zero(&w, sizeof(c->name) - strlen(c->name));
    write_bytes(&w, c->zone, strlen(c->zone));
    write_zero(&w, sizeof(c->zone) - strlen(c->zone));
    write_bytes(&w, c->signature, sizeof(c->signature));
    assert(!w.failed && w.used == CERT_BYTES_MAX);
    *size = w.used;
    return 0;
}

/* A name field: zeros after the first, so that one certificate has one encoding. */
static bool padding_is_zero(const char field[CERT_NAME_MAX + 1])
{
    size_t length = strnlen(field, CERT_NAME_MAX + 1);
    for (size_t i = length; i < CERT_NAME_MAX + 1; i++)
        if (field[i] != '\0')
            return false;
    return length <= CERT_NAME_MAX;
}

int cert_decode(struct cert *c, const uint8_t *bytes, size_t size, struct err *err)
{
    struct reader r;
    char magic[4];
    memset(c, 0, sizeof(*c));
    reader_init(&r, bytes, size);
    read_bytes(&r, magic, sizeof(magic));
    unsigned version = read_u16(&r);
    unsigned algorithm = read_u8(&r);
    if (r.failed || memcmp(magic, CERT_MAGIC, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "these bytes are no certificate");
    if (version != CERT_VERSION)
        return err_set(err, ERR_VERSION, "certificate of version %u: this program knows %u",
                       version, CERT_VERSION);
    if (algorithm != CERT_ALGORITHM)
        return err_set(err, ERR_VERSION,
                       "certificate signed with algorithm %u: this program knows %u (Ed25519)",
                       algorithm, CERT_ALGORITHM);
    read_zero(&r, 1);
    read_bytes(&r, c->cluster.bytes, sizeof(c->cluster));
    read_bytes(&r, c->node.bytes, sizeof(c->node));
    read_bytes(&r, c->curve, sizeof(c->curve));
    c->serial = read_u64(&r);
    c->not_before_s = (int64_t)read_u64(&r);
    c->not_after_s = (int64_t)read_u64(&r);
    read_bytes(&r, c->name, sizeof(c->name));
    read_bytes(&r, c->zone, sizeof(c->zone));
    read_bytes(&r, c->signature, sizeof(c->signature));
    if (r.failed || r.left != 0)
        return err_set(err, ERR_FORMAT, "certificate of %zu bytes: it must have %d, well formed",
                       size, CERT_BYTES_MAX);
    if (!padding_is_zero(c->name) || !padding_is_zero(c->zone))
        return err_set(err, ERR_FORMAT, "certificate with a malformed name or zone");
    return check_fields(c, err);
}

int cert_check(const struct cert *c, const uint8_t authority_public[32], struct err *err)
{
    uint8_t bytes[CERT_BYTES_MAX];
    struct cluster_id cluster;
    size_t size;
    cluster_id(&cluster, authority_public);
    if (cert_encode(c, bytes, &size, err) != 0)
        return -1;
    if (!id_equal(&cluster, &c->cluster))
        return err_set(err, ERR_FOREIGN, "the certificate of \"%s\" is of another cluster",
                       c->name);
    if (!sign_check(c->signature, CERT_CONTEXT, bytes, CERT_BODY_SIZE, authority_public))
        return err_set(err, ERR_DAMAGED, "the signature on the certificate of \"%s\" is wrong",
                       c->name);
    return 0;
}

int cert_check_dates(const struct cert *c, int64_t now_s, struct err *err)
{
    if (now_s < c->not_before_s - CERT_SLACK_S)
        return err_set(err, ERR_DENIED,
                       "the certificate of \"%s\" is not valid yet: is the clock of one of the "
                       "machines wrong?",
                       c->name);
    if (now_s > c->not_after_s)
        return err_set(err, ERR_DENIED,
                       "the certificate of \"%s\" has expired: have it signed again", c->name);
    return 0;
}

int cert_sign(struct cert *c, const uint8_t authority_secret[64], struct err *err)
{
    uint8_t bytes[CERT_BYTES_MAX];
    size_t size;
    cluster_id(&c->cluster, authority_secret + 32);
    memset(c->signature, 0, sizeof(c->signature));
    if (cert_encode(c, bytes, &size, err) != 0)
        return -1;
    sign_body(c->signature, CERT_CONTEXT, bytes, CERT_BODY_SIZE, authority_secret);
    return 0;
}

int cert_armor(char line[CERT_ARMOR_MAX], const struct cert *c, struct err *err)
{
    uint8_t bytes[CERT_BYTES_MAX];
    size_t size;
    if (cert_encode(c, bytes, &size, err) != 0)
        return -1;
    return armor_encode(line, CERT_ARMOR_MAX, "certificate", CERT_VERSION, bytes, size, err);
}

int cert_unarmor(struct cert *c, const char *line, struct err *err)
{
    uint8_t bytes[CERT_BYTES_MAX];
    size_t size;
    if (armor_decode(bytes, sizeof(bytes), &size, "certificate", CERT_VERSION, line, err) != 0)
        return -1;
    return cert_decode(c, bytes, size, err);
}

int cert_load(struct cert *c, const char *path, struct err *err)
{
    uint8_t *bytes;
    size_t size;
    char line[CERT_ARMOR_MAX] = "";
    if (durable_read(path, CERT_ARMOR_MAX - 1, &bytes, &size, err) != 0)
        return -1;
    memcpy(line, bytes, size);
    free(bytes);
    if (cert_unarmor(c, line, err) != 0)
        return err_context(err, "%s", path);
    return 0;
}

void cluster_id(struct cluster_id *cluster, const uint8_t authority_public[32])
{
    crypto_generichash(cluster->bytes, ID_SIZE, authority_public, 32, NULL, 0);
}
