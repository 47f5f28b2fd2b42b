/* core.h - the inside of a struct swim, shared by the files of this folder and by nobody else.
 *
 * Each noun has a file: roster (who is known), rumour (what is told on), order (what the shell must
 * do), packet (what is sent), news (evidence is merged), suspicion, probe, sync, join, self. swim.c is
 * the door.
 */
#ifndef ECBAK_GOSSIP_CORE_H
#define ECBAK_GOSSIP_CORE_H

#include "gossip/prng.h"
#include "gossip/statement.h"
#include "gossip/swim.h"

#define RUMOUR_SENT_MAX  128 /* no rumour is sent more often, whatever the configuration */
#define ACCUSERS_MAX     9   /* swim_config.confirmations and the first one */
#define PROBES_MAX       64  /* outstanding at once, */
#define CONFIRMS_MAX     48  /* of suspects among them: the rest is for rounds */
#define RELAYS_MAX       128 /* probes for others outstanding at once; the oldest gives way */
#define HELPERS_MAX      16  /* swim_config.indirect_count is at most this */
#define FAREWELLS_MAX    32  /* members told directly that we leave */
#define SYNCS_PER_SECOND 16  /* anti-entropy messages of one member that are answered */
#define TALKS_PER_SECOND 16  /* its pings that are answered with rumours, and its wants */
#define NEWS_PER_SECOND  16  /* statements of its own that are taken */
#define EARLY_SYNCS      8   /* after the start, one a probe interval, that brought nothing new, */
#define EARLY_SYNCS_MAX  32  /* and in all */
#define UNHURRIED_MAX    64  /* rumours beside accusations and refutations */
#define MUTE_MS          60000 /* who passes on a forgery is not believed for this long */

/* Deadlines that do not exist lie at the end of time. */
#define NEVER UINT64_MAX

struct rumour {
    struct rumour *next, *previous; /* among those sent equally often */
    struct rumour *sibling;         /* about the same member */
    struct member *about;
    uint32_t sent;
    bool accusation; /* else the member's statement */
    bool urgent;     /* an accusation, or what refutes one: goes before all others */
    uint8_t bytes[]; /* the accusation */
};

struct suspicion {
    struct suspicion *next, *previous;
    struct member *member;
    uint64_t start_ms;
    uint64_t deadline_ms;
    uint64_t probe_ms; /* when we probe it ourselves; NEVER once we did */
    uint32_t accuser_count;
    bool first_hand;  /* our own probe failed too */
    bool called_dead; /* somebody's timer ran out already */
    struct swim_id accusers[ACCUSERS_MAX];
    uint8_t first[ACCUSATION_SIZE]; /* the accusation that began it, for the buddy system */
};

/* What one member may ask of us in a second. */
enum rate {
    RATE_SYNC,
    RATE_TALK,
    RATE_NEWS,
    RATE_COUNT,
};

struct member {
    struct swim_id id;
    const uint8_t *statement;  /* ops.keep's; well-formed and verified */
    struct member *next_named; /* with a name of the same hash */
    struct suspicion *suspicion;
    struct rumour *rumours;
    uint64_t incarnation; /* the statement's */
    uint64_t since_ms;
    uint64_t heard_ms; /* its last direct answer to a ping of ours */
    uint64_t mute_until_ms;
    uint32_t position; /* in roster.members */
    uint32_t name_hash;
    uint32_t rate_second;
    float rtt_ms;
    uint16_t statement_size;
    uint8_t state;             /* enum swim_state */
    struct protocol protocol;  /* the statement's */
    uint8_t rates[RATE_COUNT]; /* how often in rate_second */
};

/* All members: ourselves, the neighbours, the rest. Neighbours before `cursor` have been probed in this
 * lap; of the rest, those before `waiting` have been neighbours lately. */
struct roster {
    struct member **members;
    struct member **slots; /* open addressing by id */
    struct member **named; /* chains by hash of the name, slot_count of them */
    size_t count, capacity, slot_count;
    size_t neighbours; /* how many there are at most */
    size_t cursor, waiting;
    size_t passed; /* how many of the rest were tried in place of neighbours in this lap */
    uint32_t lap;  /* counts them; the simulator holds each member to one probe a lap */
    size_t by_state[SWIM_AWAY + 1];
};

struct rumour_list {
    struct rumour *first, *last;
};

struct rumours {
    struct rumour_list by_sent[2][RUMOUR_SENT_MAX]; /* the urgent first */
    size_t by_class[2];
    size_t count, count_max;
    uint32_t limit; /* none was sent this often */
};

struct order {
    struct order *next;
    struct swim_order order;
    uint8_t bytes[];
};

struct orders {
    struct order *first, *last;
    struct order *handed_out; /* what swim_next_order gave last */
    size_t send_count;
};

enum probe_kind {
    PROBE_ROUND,   /* the round-robin's: its failure is an accusation */
    PROBE_CONFIRM, /* of a suspect that others accuse: its failure seconds them */
};

/* Who was asked to ping on our behalf, and what it said. */
struct helper {
    struct swim_id id;
    bool nacked;
    uint8_t accusation[ACCUSATION_SIZE]; /* of the target; zeros: it makes none */
};

struct probe {
    struct member *member; /* NULL: this slot is free */
    enum probe_kind kind;
    bool unmeasured; /* the time until its answer is no round trip */
    uint32_t sequence;
    uint64_t sent_ms;
    uint64_t ask_ms;  /* when helpers are asked; NEVER once they were */
    uint64_t fail_ms; /* when it has failed */
    uint32_t helper_count;
    struct helper *helpers; /* NULL: none was asked */
};

struct relay {
    bool used;
    struct swim_id origin, target;
    uint32_t origin_sequence, sequence;
    uint64_t nack_ms; /* NEVER once it was sent */
    uint64_t expires_ms;
};

struct seed {
    char address[SWIM_ADDRESS_MAX + 1];
};

/* What we say of ourselves. */
struct own {
    char name[SWIM_NAME_MAX + 1];
    char address[SWIM_ADDRESS_MAX + 1];
    uint8_t metadata[SWIM_METADATA_MAX];
    size_t metadata_size;
    uint64_t incarnation;
    uint64_t session;
    enum swim_state state;
    uint32_t away_ms;
    uint32_t foreign_count; /* statements of ours that another process made */
    struct swim_id accuser; /* the last one that raised our awareness, and when */
    uint64_t accused_ms;
    uint64_t refute_ms; /* when the budget of refutations was last filled up */
    uint32_t refute_budget;
    uint64_t refute_above; /* the incarnation to refute, while the budget is used up; else 0 */
};

struct swim {
    struct swim_config config;
    struct swim_ops ops;
    struct prng prng;
    struct own own;
    struct roster roster;
    struct rumours rumours;
    struct orders orders;
    struct suspicion *suspicions;
    struct probe probes[PROBES_MAX];
    struct relay relays[RELAYS_MAX];
    struct seed *seeds;
    size_t seed_count;
    struct swim_stats stats;
    uint64_t now_ms;
    uint64_t probe_ms, gossip_ms, sync_ms, reconnect_ms, join_ms, forget_ms; /* next time of each */
    uint64_t suspicion_ms; /* no suspicion ends before */
    uint64_t deadline_ms;  /* no probe or relay has anything to do before */
    uint32_t join_tries;
    uint32_t early_syncs,
        early_quiet; /* made soon after the start; of these, that brought nothing */
    bool learnt;     /* a statement, since the last sync began */
    uint32_t sequence;
    uint32_t awareness;
};

/* swim.c: time goes on. */
void swim_advance(struct swim *swim, uint64_t now_ms);

static inline struct member *self_of(const struct swim *swim)
{
    return swim->roster.members[0];
}

/* A decoded packet; gossip.pb-c.h is included only where one is read or made. */
struct Ecbak__Gossip__Packet;

/* ---- roster.c
 * -------------------------------------------------------------------------------------- */

struct member *roster_find(const struct roster *roster, const struct swim_id *id);
/* Add a member that is not there yet; `where` is its position, at most roster->count. */
struct member *roster_add(struct roster *roster, const struct swim_id *id, size_t where);
void roster_remove(struct roster *roster, struct member *member);
void roster_release(struct roster *roster);
void roster_state(struct roster *roster, struct member *member, enum swim_state state);
/* Members that take part: alive or suspect, ourselves counted. */
size_t roster_active(const struct roster *roster);
/* Whose turn it is to be probed; there must be one beside ourselves. */
struct member *roster_next(struct roster *roster, struct prng *prng);
/* The one just given is no neighbour to have: another takes its place and its turn, if there is one
 * that was not tried in this lap. */
void roster_pass_over(struct roster *roster);

/* Names are found too, so that two members with one name are noticed; roster_named finds one that is
 * neither dead nor left, nor `except`. */
void roster_name(struct roster *roster, struct member *member, const char *name);
const struct member *roster_named(const struct roster *roster, const char *name,
                                  const struct member *except);

/* Whether it is the member's right, once more in this second. */
bool roster_within(struct member *member, uint64_t now_ms, enum rate rate, uint8_t limit);

/* Up to count different members, drawn evenly from those for which fits() holds; never ourselves.
 */
size_t roster_draw(struct swim *swim, struct member **drawn, size_t count,
                   bool (*fits)(const struct swim *swim, const struct member *member,
                                const void *detail),
                   const void *detail);

/* ---- rumour.c
 * ------------------------------------------------------------------------------------- */

/* `urgent` when it refutes what others may believe. */
void rumour_statement(struct swim *swim, struct member *member, bool urgent);
void rumour_accusation(struct swim *swim, struct member *member,
                       const uint8_t accusation[ACCUSATION_SIZE]);
/* Stop telling anything about the member. */
void rumour_cancel(struct swim *swim, struct member *member);
/* How often a rumour is sent, in a cluster of this size. */
uint32_t rumour_limit(const struct swim *swim);

/* ---- order.c
 * -------------------------------------------------------------------------------------- */

void order_event(struct swim *swim, enum swim_event event, const struct swim_id *id,
                 const struct swim_id *other);
/* SWIM_EVENT_REFUSED, with what the statement says. */
void order_refused(struct swim *swim, const uint8_t *bytes, size_t size);
void order_persist(struct swim *swim, uint64_t incarnation);
/* Room for size bytes to send; NULL when too many sends wait. id or address may be NULL. */
uint8_t *order_send(struct swim *swim, const struct swim_id *id, const char *address, size_t size,
                    uint64_t expires_ms);
void order_release(struct orders *orders);

/* ---- news.c
 * --------------------------------------------------------------------------------------- */

enum news {
    NEWS_NONE,     /* known already, or not acceptable */
    NEWS_LEARNT,   /* we know more now */
    NEWS_OBSOLETE, /* the teller does not know yet that this member is dead or left */
};

enum news news_statement(struct swim *swim, const struct swim_id *from, const uint8_t *bytes,
                         size_t size);
void news_accusation(struct swim *swim, const struct swim_id *from, const uint8_t *bytes,
                     size_t size);
/* Count a forgery against who passed it on. */
void news_forged(struct swim *swim, const struct swim_id *from);
/* The away time that the member asked for is not over. */
bool news_away(const struct swim *swim, const struct member *member);
/* Forget tombstones that are old enough. */
void news_forget(struct swim *swim);

/* ---- suspicion.c
 * ---------------------------------------------------------------------------------- */

/* Merge a verified accusation of a member that is alive or suspect. */
void suspicion_add(struct swim *swim, struct member *member, const struct accusation *accusation,
                   const uint8_t bytes[ACCUSATION_SIZE]);
/* Whether the accusation changes anything. */
bool suspicion_counts(const struct swim *swim, const struct member *member,
                      const struct accusation *accusation);
/* Our own probe of the suspect failed. */
void suspicion_first_hand(struct swim *swim, struct member *member);
/* It is dead. */
void suspicion_conclude(struct swim *swim, struct member *member);
/* Accuse it ourselves. */
void suspicion_accuse(struct swim *swim, struct member *member);
/* The accusation that we would make of it now. */
void suspicion_sign(const struct swim *swim, const struct member *member, enum swim_state state,
                    uint8_t bytes[ACCUSATION_SIZE]);
void suspicion_end(struct swim *swim, struct member *member);
void suspicion_tick(struct swim *swim);
void suspicion_shift(struct swim *swim, uint64_t late_ms);
uint64_t suspicion_min_ms(const struct swim *swim);
uint64_t suspicion_max_ms(const struct swim *swim);

/* ---- probe.c
 * -------------------------------------------------------------------------------------- */

void probe_tick(struct swim *swim);
/* Probe a suspect, unless it is being probed; false: too many are, try again soon. */
bool probe_confirm(struct swim *swim, struct member *member);
void probe_receive(struct swim *swim, const struct swim_id *from,
                   const struct Ecbak__Gossip__Packet *packet);
void probe_forget(struct swim *swim, const struct member *member);
void probe_shift(struct swim *swim, uint64_t late_ms);
void probe_unmeasured(struct swim *swim, const struct swim_id *id);
/* Local health changes by this much, within its bounds. */
void probe_awareness(struct swim *swim, int change);

/* ---- sync.c
 * --------------------------------------------------------------------------------------- */

/* What a packet's statements came to. */
struct merged {
    size_t learnt;
    uint8_t *obsolete; /* bit i: statement i was about a member that is dead or left */
};
void sync_receive(struct swim *swim, const struct swim_id *from,
                  const struct Ecbak__Gossip__Packet *packet, const struct merged *merged);
/* Begin with a member, or with whoever is at a seed's address. */
void sync_hello(struct swim *swim, const struct member *to);
void sync_join(struct swim *swim, const char *address);
/* Ask a member within the next probe interval. */
void sync_soon(struct swim *swim);
/* We believe that it is there: alive, suspect or away. */
bool sync_believed(const struct member *member);

/* ---- join.c --------------------------------------------------------------------------------------- */

void join_tick(struct swim *swim);

/* ---- self.c
 * --------------------------------------------------------------------------------------- */

int self_check_text(const char *what, const char *text, size_t size_max,
                    struct err *err) MUST_CHECK;
int self_check_metadata(const uint8_t *metadata, size_t size, struct err *err) MUST_CHECK;
void self_start(struct swim *swim, const struct swim_self *start);
/* Say what swim->own holds with a higher incarnation, at least `above` + 1. */
void self_announce(struct swim *swim, uint64_t above);
/* The same, within the budget of refutations. */
void self_refute(struct swim *swim, uint64_t above);
void self_tick(struct swim *swim);
/* A statement with our id came from elsewhere. */
enum news self_heard(struct swim *swim, const struct swim_id *from,
                     const struct statement *statement, const uint8_t *bytes, size_t size);

#endif
