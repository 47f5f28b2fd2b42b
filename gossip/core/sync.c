/* Anti-entropy: two members compare whom they believe to be there, and tell each other what is
 * missing.
 *
 *     A  Hello    digest of all          equal: B is silent, some 30 bytes were spent
 *     B  Buckets  digests of the parts   or at once Give, when A knows nearly nobody
 *     A  Entries  ids and incarnations of the parts that differ
 *     B  Give     claims that A lacks, accusations of those that A should not believe in, and ids
 *     A  Give     the claims of those ids
 *
 * Only members believed to be there enter the digests, so tombstones neither travel nor hold two
 * members apart. Who learnt anything asks the next member soon, for there may be more that it has
 * missed: when many start at once, news spreads in as many rounds as the cluster's size has binary
 * digits. A message holds one page; the rest is left to the next round. */
#include "gossip/core/sync.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"
#include "gossip/core/news.h"
#include "gossip/core/packet.h"
#include "gossip/core/roster.h"
#include "gossip/core/suspicion.h"
#include "gossip/core/swim_internal.h"
#include "gossip/prng.h"

#define BITS_MAX      10
#define BUCKET_SIZE   8 /* members that a bucket should hold */
#define ENTRY_SIZE    (ID_SIZE + 10)
#define JOIN_PAGE_MAX (64 * 1024)

bool sync_believed(const struct roster_member *member)
{
    return member->state == SWIM_ALIVE || member->state == SWIM_SUSPECT ||
           member->state == SWIM_AWAY;
}

static uint64_t digest_of(const struct roster_member *member, uint64_t salt)
{
    uint64_t words[4];
    memcpy(words, member->id.bytes, sizeof(words));
    return prng_mix(prng_mix(salt ^ words[0]) + prng_mix(words[1] ^ member->incarnation));
}

static uint32_t bucket_of(const struct roster_member *member, uint32_t bits)
{
    return (((uint32_t)member->id.bytes[0] << 8 | member->id.bytes[1]) << 8) >> (24 - bits);
}

/* Digests of 2^bits buckets. The salt is drawn by the asker, so nobody can prepare ids or
 * incarnations that cancel out. */
static void digest_all(const struct swim *swim, uint64_t salt, uint32_t bits, uint64_t *digests)
{
    memset(digests, 0, sizeof(*digests) << bits);
    for (size_t i = 0; i < swim->roster.count; i++) {
        const struct roster_member *member = swim->roster.members[i];
        if (sync_believed(member))
            digests[bucket_of(member, bits)] += digest_of(member, salt);
    }
}

static uint32_t believed_count(const struct swim *swim)
{
    return (uint32_t)(roster_active(&swim->roster) + swim->roster.by_state[SWIM_AWAY]);
}

static uint32_t bits_for(uint32_t count)
{
    uint32_t bits = 0;
    while (bits < BITS_MAX && (uint32_t)BUCKET_SIZE << bits < count)
        bits++;
    return bits;
}

static uint64_t expires_ms(const struct swim *swim)
{
    return swim->now_ms + 4 * (uint64_t)swim->config.probe_interval_ms;
}

static void hello_init(struct swim *swim, struct packet *packet, Ecbak__Gossip__Hello *hello)
{
    ecbak__gossip__hello__init(hello);
    hello->salt = prng_next(&swim->prng);
    digest_all(swim, hello->salt, 0, &hello->digest);
    hello->count = believed_count(swim);
    packet_init(packet, swim, swim->config.packet_size_max);
    packet->message.body_case = ECBAK__GOSSIP__PACKET__BODY_HELLO;
    packet->message.hello = hello;
}

void sync_hello(struct swim *swim, const struct roster_member *to)
{
    Ecbak__Gossip__Hello hello;
    struct packet packet;
    hello_init(swim, &packet, &hello);
    if (to->state == SWIM_DEAD)
        packet_own_claim(&packet);
    packet_to(&packet, to, true, expires_ms(swim));
}

void sync_join(struct swim *swim, const char *address)
{
    Ecbak__Gossip__Hello hello;
    struct packet packet;
    hello_init(swim, &packet, &hello);
    packet_own_claim(&packet);
    packet_to_seed(&packet, address, expires_ms(swim));
}

static void give_init(struct swim *swim, struct packet *packet, Ecbak__Gossip__Give *give,
                      size_t budget)
{
    ecbak__gossip__give__init(give);
    give->more = true; /* measured as if set, so that there is room for it */
    packet_init(packet, swim, budget);
    packet->message.body_case = ECBAK__GOSSIP__PACKET__BODY_GIVE;
    packet->message.give = give;
}

/* Who was expelled or refused counts as left, but its last claim says that it is there: that is not
 * passed on. */
static bool expelled(const struct roster_member *member)
{
    return member->state == SWIM_LEFT && roster_claim(member).state != SWIM_LEFT;
}

/* What we know better about this member: its claim, or that it is dead. */
static bool give_about(struct swim *swim, struct packet *packet, const struct roster_member *member)
{
    uint8_t *dead;
    if (expelled(member))
        return true;
    if (member->state != SWIM_DEAD)
        return packet_claim(packet, member->claim, member->claim_size);
    dead = packet_scratch(packet, ACCUSATION_SIZE);
    if (dead == NULL)
        return false;
    suspicion_sign(swim, member, SWIM_DEAD, dead);
    return packet_accusation(packet, dead);
}

static void give_everything(struct swim *swim, const struct node_id *to)
{
    Ecbak__Gossip__Give give;
    struct packet packet;
    const struct roster *roster = &swim->roster;
    uint32_t budget =
        swim->config.sync_size_max < JOIN_PAGE_MAX ? swim->config.sync_size_max : JOIN_PAGE_MAX;
    give_init(swim, &packet, &give, budget);
    packet_own_claim(&packet);
    size_t start = prng_below(&swim->prng, (uint32_t)roster->count);
    give.more = false;
    for (size_t i = 0; i < roster->count && !give.more; i++) {
        const struct roster_member *member = roster->members[(start + i) % roster->count];
        if (sync_believed(member) && member->position != 0 && !id_equal(&member->id, to))
            give.more = !packet_claim(&packet, member->claim, member->claim_size);
    }
    packet_to_id(&packet, to, false, expires_ms(swim));
}

static void hello_received(struct swim *swim, const struct node_id *from,
                           const Ecbak__Gossip__Hello *hello)
{
    Ecbak__Gossip__Buckets buckets = ECBAK__GOSSIP__BUCKETS__INIT;
    uint64_t digests[1 << BITS_MAX];
    uint32_t count = believed_count(swim);
    digest_all(swim, hello->salt, 0, digests);
    if (digests[0] == hello->digest)
        return;
    if (hello->count <= 1 || hello->count < count / 8) {
        give_everything(swim, from);
        return;
    }
    struct packet packet;
    packet_init(&packet, swim, swim->config.sync_size_max);
    buckets.salt = hello->salt;
    buckets.bits = bits_for(count > hello->count ? count : hello->count);
    buckets.n_digests = (size_t)1 << buckets.bits;
    buckets.digests = digests;
    digest_all(swim, hello->salt, buckets.bits, digests);
    packet.message.body_case = ECBAK__GOSSIP__PACKET__BODY_BUCKETS;
    packet.message.buckets = &buckets;
    packet_to_id(&packet, from, false, expires_ms(swim));
}

/* Which of the buckets that differ fit into one message, from a random one on: chosen[b] is set. */
static size_t choose_buckets(struct swim *swim, uint32_t bits, const uint64_t *ours,
                             const uint64_t *theirs, bool *chosen, uint32_t *list)
{
    uint32_t sizes[1 << BITS_MAX] = {0};
    size_t count = (size_t)1 << bits;
    size_t used = 0;
    size_t left = swim->config.sync_size_max - 256;
    for (size_t i = 0; i < swim->roster.count; i++)
        if (sync_believed(swim->roster.members[i]))
            sizes[bucket_of(swim->roster.members[i], bits)]++;
    size_t start = prng_below(&swim->prng, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        size_t bucket = (start + i) & (count - 1);
        size_t need = 3 + (size_t)sizes[bucket] * ENTRY_SIZE;
        if (ours[bucket] == theirs[bucket] || need > left)
            continue;
        left -= need;
        chosen[bucket] = true;
        list[used++] = (uint32_t)bucket;
    }
    return used;
}

static void buckets_received(struct swim *swim, const struct node_id *from,
                             const Ecbak__Gossip__Buckets *buckets)
{
    Ecbak__Gossip__Entries entries = ECBAK__GOSSIP__ENTRIES__INIT;
    uint64_t ours[1 << BITS_MAX];
    bool chosen[1 << BITS_MAX] = {false};
    uint32_t list[1 << BITS_MAX];
    if (buckets->bits > BITS_MAX || buckets->n_digests != (size_t)1 << buckets->bits) {
        swim->stats.malformed_count++;
        return;
    }
    digest_all(swim, buckets->salt, buckets->bits, ours);
    entries.bits = buckets->bits;
    entries.buckets = list;
    entries.n_buckets = choose_buckets(swim, buckets->bits, ours, buckets->digests, chosen, list);
    if (entries.n_buckets == 0)
        return;
    const struct roster *roster = &swim->roster;
    entries.ids.data = alloc_zero(roster->count, ID_SIZE);
    entries.incarnations = alloc_zero(roster->count, sizeof(uint64_t));
    for (size_t i = 0; i < roster->count; i++) {
        const struct roster_member *member = roster->members[i];
        if (!sync_believed(member) || !chosen[bucket_of(member, buckets->bits)])
            continue;
        memcpy(entries.ids.data + entries.ids.len, member->id.bytes, ID_SIZE);
        entries.ids.len += ID_SIZE;
        entries.incarnations[entries.n_incarnations++] = member->incarnation;
    }
    struct packet packet;
    packet_init(&packet, swim, swim->config.sync_size_max);
    packet.message.body_case = ECBAK__GOSSIP__PACKET__BODY_ENTRIES;
    packet.message.entries = &entries;
    packet_to_id(&packet, from, false, expires_ms(swim));
    free(entries.ids.data);
    free(entries.incarnations);
}

static bool entries_plausible(const Ecbak__Gossip__Entries *entries)
{
    if (entries->bits > BITS_MAX || entries->n_buckets > (size_t)1 << entries->bits ||
        entries->ids.len != entries->n_incarnations * ID_SIZE)
        return false;
    for (size_t i = 0; i < entries->n_buckets; i++)
        if (entries->buckets[i] >> entries->bits != 0)
            return false;
    return true;
}

/* The ids of those of whom the sender holds a newer claim than we, as many as wanted_max has room for. */
static void gather_wanted(const struct swim *swim, const Ecbak__Gossip__Entries *entries,
                          size_t wanted_max, ProtobufCBinaryData *wanted)
{
    for (size_t i = 0; i < entries->n_incarnations && wanted->len < wanted_max; i++) {
        const uint8_t *id = entries->ids.data + i * ID_SIZE;
        const struct roster_member *member = roster_find(&swim->roster, (const struct node_id *)id);
        if (member != NULL && member->incarnation >= entries->incarnations[i])
            continue;
        memcpy(wanted->data + wanted->len, id, ID_SIZE);
        wanted->len += ID_SIZE;
    }
}

/* The ids that we want are gathered first, so that the page has room for them. Then comes what we know
 * better: of the entries, and of those in the same buckets that the sender did not name (`seen` marks
 * the ones that it did). */
static void entries_received(struct swim *swim, const struct node_id *from,
                             const Ecbak__Gossip__Entries *entries)
{
    Ecbak__Gossip__Give give;
    struct packet packet;
    const struct roster *roster = &swim->roster;
    bool chosen[1 << BITS_MAX] = {false};
    if (!entries_plausible(entries)) {
        swim->stats.malformed_count++;
        return;
    }
    for (size_t i = 0; i < entries->n_buckets; i++)
        chosen[entries->buckets[i]] = true;
    give_init(swim, &packet, &give, swim->config.sync_size_max);
    give.wanted.data = alloc_zero(entries->n_incarnations, ID_SIZE);
    gather_wanted(swim, entries, swim->config.sync_size_max / 2, &give.wanted);
    packet_measure(&packet);
    give.more = false;
    bool *seen = alloc_zero(roster->count, sizeof(bool));
    for (size_t i = 0; i < entries->n_incarnations; i++) {
        const uint8_t *id = entries->ids.data + i * ID_SIZE;
        const struct roster_member *member = roster_find(roster, (const struct node_id *)id);
        if (member == NULL)
            continue;
        seen[member->position] = true;
        bool newer = member->incarnation > entries->incarnations[i];
        bool dead = member->state == SWIM_DEAD && member->incarnation == entries->incarnations[i];
        if ((newer || dead) && !give.more)
            give.more = !give_about(swim, &packet, member);
    }
    for (size_t i = 0; i < roster->count && !give.more; i++) {
        const struct roster_member *member = roster->members[i];
        if (sync_believed(member) && !seen[i] && chosen[bucket_of(member, entries->bits)])
            give.more = !give_about(swim, &packet, member);
    }
    free(seen);
    if (packet.message.n_claims + packet.message.n_accusations > 0 || give.wanted.len > 0)
        packet_to_id(&packet, from, false, expires_ms(swim));
    else
        packet_release(&packet);
    free(give.wanted.data);
}

void sync_soon(struct swim *swim)
{
    uint32_t half_ms = swim->config.probe_interval_ms / 2;
    uint64_t soon_ms = swim->now_ms + half_ms + prng_below(&swim->prng, half_ms);
    if (soon_ms < swim->join.sync_ms)
        swim->join.sync_ms = soon_ms;
}

/* What a Give made us learn is merged by now. Answer with what it asks for, and with what its sender
 * did not know. */
static void give_received(struct swim *swim, const struct node_id *from,
                          const Ecbak__Gossip__Packet *message, const struct merged *merged)
{
    Ecbak__Gossip__Give answer;
    struct packet packet;
    const ProtobufCBinaryData *wanted = &message->give->wanted;
    if (wanted->len % ID_SIZE != 0) {
        swim->stats.malformed_count++;
        return;
    }
    give_init(swim, &packet, &answer, swim->config.sync_size_max);
    packet_measure(&packet);
    answer.more = false;
    for (size_t i = 0; i < wanted->len && !answer.more; i += ID_SIZE) {
        const struct node_id *id = (const struct node_id *)(wanted->data + i);
        const struct roster_member *member = roster_find(&swim->roster, id);
        if (member != NULL && !expelled(member))
            answer.more = !packet_claim(&packet, member->claim, member->claim_size);
    }
    for (size_t i = 0; i < message->n_claims && !answer.more; i++) {
        struct claim claim;
        if ((merged->obsolete[i / 8] >> i % 8 & 1) == 0 ||
            claim_parse(&claim, message->claims[i].data, message->claims[i].len) != 0)
            continue;
        const struct roster_member *member = roster_find(&swim->roster, &claim.id);
        if (member != NULL)
            answer.more = !give_about(swim, &packet, member);
    }
    if (packet.message.n_claims + packet.message.n_accusations > 0)
        packet_to_id(&packet, from, false, expires_ms(swim));
    else
        packet_release(&packet);
    if (message->give->more || merged->learnt > 0)
        sync_soon(swim);
}

void sync_receive(struct swim *swim, const struct node_id *from,
                  const Ecbak__Gossip__Packet *packet, const struct merged *merged)
{
    struct roster_member *member = roster_find(&swim->roster, from);
    if (member == NULL || packet->body_case < ECBAK__GOSSIP__PACKET__BODY_HELLO ||
        !roster_within(member, swim->now_ms, RATE_SYNC))
        return;
    switch (packet->body_case) {
    case ECBAK__GOSSIP__PACKET__BODY_HELLO:
        hello_received(swim, from, packet->hello);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_BUCKETS:
        buckets_received(swim, from, packet->buckets);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_ENTRIES:
        entries_received(swim, from, packet->entries);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_GIVE:
        give_received(swim, from, packet, merged);
        break;
    default:
        break;
    }
}
