/* As short as it can be, since people copy it: texts of their own length, and a checksum that finds
 * what the copying did to it before anything is made on the machine that joins.
 *
 *   offset size
 *        0    4  magic "ETKT"
 *        4    2  version, 1
 *        6    1  addresses, 1 to TICKET_ADDRESSES_MAX
 *        7    1  zero
 *        8   32  the authority's public key
 *       40   32  CURVE public key of the inviting process
 *       72   16  token
 *       88    8  when it was made, seconds since 1970
 *       96    8  until when it is good
 *      104    .  name, zone, each address: a byte with its length, then its bytes
 *      end    8  BLAKE2b-64 of all before
 */
#include "cli/admit/ticket.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/common/armor.h"

#define MAGIC         "ETKT"
#define VERSION       1
#define CHECKSUM_SIZE 8
#define HEAD_SIZE     104
#define BYTES_MAX                                                                                  \
    (HEAD_SIZE + 2 * (1 + CERT_NAME_MAX) + TICKET_ADDRESSES_MAX * TICKET_ADDRESS_SIZE +            \
     CHECKSUM_SIZE)

static void checksum(uint8_t sum[CHECKSUM_SIZE], const uint8_t *bytes, size_t size)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof(hash), bytes, size, NULL, 0);
    memcpy(sum, hash, CHECKSUM_SIZE);
}

/* No name and no address has blanks, controls or bytes that are no ASCII. */
static bool is_plain(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    return true;
}

static void write_text(struct writer *w, const char *text)
{
    write_u8(w, (uint8_t)strlen(text));
    write_bytes(w, text, strlen(text));
}

int ticket_armor(char line[TICKET_ARMOR_MAX], const struct ticket *t, struct err *err)
{
    uint8_t bytes[BYTES_MAX], sum[CHECKSUM_SIZE];
    struct writer w;
    if (t->address_count == 0 || t->address_count > TICKET_ADDRESSES_MAX)
        return err_set(err, ERR_INVALID, "a ticket has 1 to %d addresses", TICKET_ADDRESSES_MAX);
    for (size_t i = 0; i < t->address_count; i++)
        if (t->addresses[i][0] == '\0' ||
            !is_plain((const uint8_t *)t->addresses[i], strlen(t->addresses[i])))
            return err_set(err, ERR_USAGE, "'%s' is no address: it is HOST:PORT in ASCII",
                           t->addresses[i]);
    writer_init(&w, bytes, sizeof(bytes));
    write_bytes(&w, MAGIC, 4);
    write_u16(&w, VERSION);
    write_u8(&w, (uint8_t)t->address_count);
    write_u8(&w, 0);
    write_bytes(&w, t->authority, sizeof(t->authority));
    write_bytes(&w, t->curve, sizeof(t->curve));
    write_bytes(&w, t->token, sizeof(t->token));
    write_u64(&w, (uint64_t)t->made_s);
    write_u64(&w, (uint64_t)t->expires_s);
    write_text(&w, t->name);
    write_text(&w, t->zone);
    for (size_t i = 0; i < t->address_count; i++)
        write_text(&w, t->addresses[i]);
    checksum(sum, bytes, w.used);
    write_bytes(&w, sum, sizeof(sum));
    assert(!w.failed);
    int result = armor_encode(line, TICKET_ARMOR_MAX, "ticket", VERSION, bytes, w.used, err);
    sodium_memzero(bytes, sizeof(bytes));
    return result;
}

/* false: longer than its field, or not plain. */
static bool read_text(struct reader *r, char *to, size_t room)
{
    size_t length = read_u8(r);
    const uint8_t *text = read_view(r, length);
    memset(to, 0, room);
    if (r->failed || length >= room || !is_plain(text, length))
        return false;
    if (length > 0)
        memcpy(to, text, length);
    return true;
}

static bool read_ticket(struct ticket *t, const uint8_t *bytes, size_t size)
{
    struct reader r;
    char magic[4];
    reader_init(&r, bytes, size);
    read_bytes(&r, magic, sizeof(magic));
    unsigned version = read_u16(&r);
    t->address_count = read_u8(&r);
    read_zero(&r, 1);
    read_bytes(&r, t->authority, sizeof(t->authority));
    read_bytes(&r, t->curve, sizeof(t->curve));
    read_bytes(&r, t->token, sizeof(t->token));
    t->made_s = (int64_t)read_u64(&r);
    t->expires_s = (int64_t)read_u64(&r);
    if (r.failed || memcmp(magic, MAGIC, sizeof(magic)) != 0 || version != VERSION ||
        t->address_count == 0 || t->address_count > TICKET_ADDRESSES_MAX ||
        !read_text(&r, t->name, sizeof(t->name)) || !read_text(&r, t->zone, sizeof(t->zone)))
        return false;
    for (size_t i = 0; i < t->address_count; i++)
        if (!read_text(&r, t->addresses[i], TICKET_ADDRESS_SIZE) || t->addresses[i][0] == '\0')
            return false;
    return !r.failed && r.left == 0 && (t->name[0] == '\0' || cert_name_valid(t->name)) &&
           (t->zone[0] == '\0' || cert_name_valid(t->zone)) && t->made_s >= 0 &&
           t->expires_s >= t->made_s;
}

int ticket_unarmor(struct ticket *t, const char *line, struct err *err)
{
    uint8_t bytes[BYTES_MAX], sum[CHECKSUM_SIZE];
    size_t size;
    *t = (struct ticket){0};
    if (armor_decode(bytes, sizeof(bytes), &size, "ticket", VERSION, line, err) != 0) {
        if (err->code != ERR_VERSION)
            err->code = ERR_KEY;
        return -1;
    }
    bool good = size > HEAD_SIZE + CHECKSUM_SIZE;
    if (good) {
        checksum(sum, bytes, size - CHECKSUM_SIZE);
        good = memcmp(sum, bytes + size - CHECKSUM_SIZE, CHECKSUM_SIZE) == 0 &&
               read_ticket(t, bytes, size - CHECKSUM_SIZE);
    }
    sodium_memzero(bytes, sizeof(bytes));
    if (!good)
        *t = (struct ticket){0};
    return good ? 0
                : err_set(err, ERR_KEY,
                          "the ticket is cut or has a mistake in it: copy the whole line");
}

int ticket_check_dates(const struct ticket *t, int64_t now_s, struct err *err)
{
    if (now_s < t->made_s - CERT_SLACK_S)
        return err_set(err, ERR_DENIED,
                       "the ticket was made %lld s from now by this machine's clock: set the clock",
                       (long long)(t->made_s - now_s));
    if (now_s > t->expires_s)
        return err_set(err, ERR_KEY,
                       "the ticket expired %lld s ago: ask for a new one (or set this machine's "
                       "clock, if it is wrong)",
                       (long long)(now_s - t->expires_s));
    return 0;
}
