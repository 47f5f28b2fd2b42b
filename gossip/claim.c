/* The signed text begins with the kind of thing signed, so that a signature over one kind can never
 * be passed off as another. The cluster is added by the ops: they hold the key, and know which it
 * is. */
#include "gossip/claim.h"

#include <assert.h>
#include <string.h>

#include "coding/base/bytes.h"

#define CLAIM_FORMAT      1
#define ACCUSATION_FORMAT 1
/* The word for a claim in its format is an older one. It is signed, so it stays. */
#define CLAIM_DOMAIN      "ecbak swim statement"
#define ACCUSATION_DOMAIN "ecbak swim accusation"
#define DOMAIN_MAX        32

_Static_assert(60 + 1 + SWIM_NAME_MAX + 1 + 1 + SWIM_ADDRESS_MAX + 1 + 2 + SWIM_METADATA_MAX +
                       SWIM_SIGNATURE_SIZE <=
                   SWIM_CLAIM_MAX,
               "the largest claim fits");

/* The domain and the body in one piece; returns its size. */
static size_t signed_text(uint8_t *text, const char *domain, const uint8_t *body, size_t size)
{
    size_t domain_size = strlen(domain);
    assert(domain_size <= DOMAIN_MAX);
    memcpy(text, domain, domain_size);
    memcpy(text + domain_size, body, size);
    return domain_size + size;
}

/* A size, that many bytes without NUL, and a NUL: NULL unless all of it is there. */
static const char *read_text(struct reader *r, size_t size_max)
{
    size_t size = read_u8(r);
    const uint8_t *text = read_view(r, size + 1);
    if (text == NULL || size == 0 || size > size_max || text[size] != '\0' ||
        memchr(text, '\0', size) != NULL)
        return NULL;
    return (const char *)text;
}

static bool claim_plausible(const struct claim *s)
{
    bool away = s->state == SWIM_AWAY;
    return (s->state == SWIM_ALIVE || s->state == SWIM_LEFT || away) && (s->away_ms == 0 || away) &&
           s->incarnation >= 1 && s->incarnation <= SWIM_INCARNATION_MAX && s->version_min >= 1 &&
           s->version_min <= s->version && s->version <= s->version_max;
}

int claim_parse(struct claim *claim, const uint8_t *bytes, size_t size)
{
    struct reader r;
    if (size > SWIM_CLAIM_MAX)
        return -1;
    reader_init(&r, bytes, size);
    unsigned format = read_u8(&r);
    claim->state = (enum swim_state)read_u8(&r);
    claim->version_min = read_u8(&r);
    claim->version = read_u8(&r);
    claim->version_max = read_u8(&r);
    read_zero(&r, 3);
    claim->incarnation = read_u64(&r);
    claim->session = read_u64(&r);
    claim->away_ms = read_u32(&r);
    read_bytes(&r, claim->id.bytes, ID_SIZE);
    claim->name = read_text(&r, SWIM_NAME_MAX);
    claim->address = read_text(&r, SWIM_ADDRESS_MAX);
    claim->metadata_size = read_u16(&r);
    claim->metadata = read_view(&r, claim->metadata_size);
    read_view(&r, SWIM_SIGNATURE_SIZE);
    if (r.failed || r.left != 0 || format != CLAIM_FORMAT || claim->name == NULL ||
        claim->address == NULL || claim->metadata_size > SWIM_METADATA_MAX ||
        !claim_plausible(claim))
        return -1;
    return 0;
}

struct protocol claim_protocol(const struct claim *claim)
{
    return (struct protocol){claim->version_min, claim->version_max};
}

static void write_text(struct writer *w, const char *text)
{
    size_t size = strlen(text);
    write_u8(w, (uint8_t)size);
    write_bytes(w, text, size + 1);
}

size_t claim_encode(const struct claim *claim, const struct swim_ops *ops, uint8_t *bytes)
{
    struct writer w;
    writer_init(&w, bytes, SWIM_CLAIM_MAX);
    write_u8(&w, CLAIM_FORMAT);
    write_u8(&w, (uint8_t)claim->state);
    write_u8(&w, claim->version_min);
    write_u8(&w, claim->version);
    write_u8(&w, claim->version_max);
    write_zero(&w, 3);
    write_u64(&w, claim->incarnation);
    write_u64(&w, claim->session);
    write_u32(&w, claim->away_ms);
    write_bytes(&w, claim->id.bytes, ID_SIZE);
    write_text(&w, claim->name);
    write_text(&w, claim->address);
    write_u16(&w, (uint16_t)claim->metadata_size);
    write_bytes(&w, claim->metadata, claim->metadata_size);
    uint8_t text[DOMAIN_MAX + SWIM_CLAIM_MAX];
    uint8_t signature[SWIM_SIGNATURE_SIZE];
    ops->sign(ops->context, text, signed_text(text, CLAIM_DOMAIN, bytes, w.used), signature);
    write_bytes(&w, signature, sizeof(signature));
    assert(!w.failed);
    return w.used;
}

bool claim_verify(const struct claim *s, const struct swim_ops *ops, const uint8_t *bytes,
                  size_t size)
{
    uint8_t text[DOMAIN_MAX + SWIM_CLAIM_MAX];
    size_t body_size = size - SWIM_SIGNATURE_SIZE;
    size_t text_size = signed_text(text, CLAIM_DOMAIN, bytes, body_size);
    return ops->verify(ops->context, &s->id, text, text_size, bytes + body_size);
}

int accusation_parse(struct accusation *a, const uint8_t *bytes, size_t size)
{
    struct reader r;
    if (size != ACCUSATION_SIZE)
        return -1;
    reader_init(&r, bytes, size);
    unsigned format = read_u8(&r);
    a->state = (enum swim_state)read_u8(&r);
    read_zero(&r, 6);
    a->incarnation = read_u64(&r);
    read_bytes(&r, a->accused.bytes, ID_SIZE);
    read_bytes(&r, a->accuser.bytes, ID_SIZE);
    if (r.failed || format != ACCUSATION_FORMAT || id_equal(&a->accused, &a->accuser) ||
        (a->state != SWIM_SUSPECT && a->state != SWIM_DEAD))
        return -1;
    return 0;
}

void accusation_encode(const struct accusation *a, const struct swim_ops *ops,
                       uint8_t bytes[ACCUSATION_SIZE])
{
    struct writer w;
    writer_init(&w, bytes, ACCUSATION_SIZE);
    write_u8(&w, ACCUSATION_FORMAT);
    write_u8(&w, (uint8_t)a->state);
    write_zero(&w, 6);
    write_u64(&w, a->incarnation);
    write_bytes(&w, a->accused.bytes, ID_SIZE);
    write_bytes(&w, a->accuser.bytes, ID_SIZE);
    assert(w.used + SWIM_SIGNATURE_SIZE == ACCUSATION_SIZE);
    uint8_t text[DOMAIN_MAX + ACCUSATION_SIZE];
    size_t text_size = signed_text(text, ACCUSATION_DOMAIN, bytes, w.used);
    ops->sign(ops->context, text, text_size, bytes + w.used);
}

bool accusation_verify(const struct accusation *a, const struct swim_ops *ops,
                       const uint8_t bytes[ACCUSATION_SIZE])
{
    uint8_t text[DOMAIN_MAX + ACCUSATION_SIZE];
    size_t body_size = ACCUSATION_SIZE - SWIM_SIGNATURE_SIZE;
    size_t text_size = signed_text(text, ACCUSATION_DOMAIN, bytes, body_size);
    return ops->verify(ops->context, &a->accuser, text, text_size, bytes + body_size);
}
