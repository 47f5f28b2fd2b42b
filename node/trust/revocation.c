/* A fixed table like the certificate, and for the same reason: nothing to interpret.
 *
 *   offset size
 *        0    4  magic "EREV"
 *        4    2  version, 1
 *        6    1  signature algorithm, 1 = Ed25519
 *        7    1  zero
 *        8   32  cluster
 *       40   32  node id
 *       72   32  CURVE public key; zeros: not known
 *      104    8  serial; 0: every certificate of this node
 *      112    8  when it was signed, seconds since 1970
 *      120    8  until when it matters: the end of the last certificate that it is about
 *      128   32  name, filled up with zeros
 *      160   96  reason, filled up with zeros
 *      256   64  signature by the authority over "ecbak revocation 1", NUL, bytes 0 to 255
 */
#include "node/trust/revocation.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "coding/base/utf8.h"
#include "node/common/armor.h"
#include "node/trust/sign.h"

#define MAGIC     "EREV"
#define VERSION   1
#define ALGORITHM 1
#define BODY_SIZE 256
#define CONTEXT   "ecbak revocation 1"

_Static_assert(BODY_SIZE + SIGN_SIZE == REVOCATION_BYTES, "the table above");

static int check_fields(const struct revocation *r, struct err *err)
{
    if (!cert_name_valid(r->name))
        return err_set(err, ERR_FORMAT, "a node's name is 1 to %d of A-Z a-z 0-9 . _ -",
                       CERT_NAME_MAX);
    if (strnlen(r->reason, sizeof(r->reason)) == sizeof(r->reason))
        return err_set(err, ERR_FORMAT, "a reason is at most %d bytes long", REVOCATION_REASON_MAX);
    for (const char *c = r->reason; *c != '\0';) {
        size_t plain = utf8_plain(c, strlen(c));
        if (plain == 0)
            return err_set(err, ERR_FORMAT, "a reason is one line, without control characters");
        c += plain;
    }
    if (r->at_s < 0 || r->until_s < 0)
        return err_set(err, ERR_FORMAT, "revocation of \"%s\": its dates are impossible", r->name);
    return 0;
}

int revocation_encode(const struct revocation *r, uint8_t bytes[REVOCATION_BYTES], struct err *err)
{
    struct writer w;
    if (check_fields(r, err) != 0)
        return -1;
    writer_init(&w, bytes, REVOCATION_BYTES);
    write_bytes(&w, MAGIC, 4);
    write_u16(&w, VERSION);
    write_u8(&w, ALGORITHM);
    write_u8(&w, 0);
    write_bytes(&w, r->cluster.bytes, sizeof(r->cluster));
    write_bytes(&w, r->node.bytes, sizeof(r->node));
    write_bytes(&w, r->curve, sizeof(r->curve));
    write_u64(&w, r->serial);
    write_u64(&w, (uint64_t)r->at_s);
    write_u64(&w, (uint64_t)r->until_s);
    write_bytes(&w, r->name, strlen(r->name));
    write_zero(&w, sizeof(r->name) - strlen(r->name));
    write_bytes(&w, r->reason, strlen(r->reason));
    write_zero(&w, sizeof(r->reason) - strlen(r->reason));
    write_bytes(&w, r->signature, sizeof(r->signature));
    assert(!w.failed && w.used == REVOCATION_BYTES);
    return 0;
}

/* Ends, with nothing but zeros behind its end: one revocation has one encoding. */
static bool is_padded(const char *field, size_t size)
{
    size_t length = strnlen(field, size);
    for (size_t i = length; i < size; i++)
        if (field[i] != '\0')
            return false;
    return length < size;
}

int revocation_decode(struct revocation *r, const uint8_t *bytes, size_t size, struct err *err)
{
    struct reader in;
    char magic[4];
    memset(r, 0, sizeof(*r));
    reader_init(&in, bytes, size);
    read_bytes(&in, magic, sizeof(magic));
    unsigned version = read_u16(&in);
    unsigned algorithm = read_u8(&in);
    if (in.failed || memcmp(magic, MAGIC, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "these bytes are no revocation");
    if (version != VERSION)
        return err_set(err, ERR_VERSION, "revocation of version %u: this program knows %u", version,
                       VERSION);
    if (algorithm != ALGORITHM)
        return err_set(err, ERR_VERSION,
                       "revocation signed with algorithm %u: this program knows %u (Ed25519)",
                       algorithm, ALGORITHM);
    read_zero(&in, 1);
    read_bytes(&in, r->cluster.bytes, sizeof(r->cluster));
    read_bytes(&in, r->node.bytes, sizeof(r->node));
    read_bytes(&in, r->curve, sizeof(r->curve));
    r->serial = read_u64(&in);
    r->at_s = (int64_t)read_u64(&in);
    r->until_s = (int64_t)read_u64(&in);
    read_bytes(&in, r->name, sizeof(r->name));
    read_bytes(&in, r->reason, sizeof(r->reason));
    read_bytes(&in, r->signature, sizeof(r->signature));
    if (in.failed || in.left != 0)
        return err_set(err, ERR_FORMAT, "revocation of %zu bytes: it must have %d, well formed",
                       size, REVOCATION_BYTES);
    if (!is_padded(r->name, sizeof(r->name)) || !is_padded(r->reason, sizeof(r->reason)))
        return err_set(err, ERR_FORMAT, "revocation with a malformed name or reason");
    return check_fields(r, err);
}

int revocation_check(const struct revocation *r, const uint8_t authority_public[32],
                     struct err *err)
{
    uint8_t bytes[REVOCATION_BYTES];
    struct cluster_id cluster;
    cluster_id(&cluster, authority_public);
    if (revocation_encode(r, bytes, err) != 0)
        return -1;
    if (!id_equal(&cluster, &r->cluster))
        return err_set(err, ERR_FOREIGN, "the revocation of \"%s\" is of another cluster", r->name);
    if (!sign_check(r->signature, CONTEXT, bytes, BODY_SIZE, authority_public))
        return err_set(err, ERR_DAMAGED, "the signature on the revocation of \"%s\" is wrong",
                       r->name);
    return 0;
}

int revocation_sign(struct revocation *r, const uint8_t authority_secret[64], struct err *err)
{
    uint8_t bytes[REVOCATION_BYTES];
    cluster_id(&r->cluster, authority_secret + 32);
    memset(r->signature, 0, sizeof(r->signature));
    if (revocation_encode(r, bytes, err) != 0)
        return -1;
    sign_body(r->signature, CONTEXT, bytes, BODY_SIZE, authority_secret);
    return 0;
}

int revocation_armor(char line[REVOCATION_ARMOR_MAX], const struct revocation *r, struct err *err)
{
    uint8_t bytes[REVOCATION_BYTES];
    if (revocation_encode(r, bytes, err) != 0)
        return -1;
    return armor_encode(line, REVOCATION_ARMOR_MAX, "revocation", VERSION, bytes, sizeof(bytes),
                        err);
}

int revocation_unarmor(struct revocation *r, const char *line, struct err *err)
{
    uint8_t bytes[REVOCATION_BYTES];
    size_t size;
    if (armor_decode(bytes, sizeof(bytes), &size, "revocation", VERSION, line, err) != 0)
        return -1;
    return revocation_decode(r, bytes, size, err);
}

bool revocation_covers(const struct revocation *r, const struct node_id *node,
                       const uint8_t curve[32], uint64_t serial)
{
    bool same_node = id_equal(&r->node, node);
    if (r->serial != 0)
        return same_node && r->serial == serial;
    return same_node ||
           (!sodium_is_zero(r->curve, sizeof(r->curve)) && memcmp(r->curve, curve, 32) == 0);
}
