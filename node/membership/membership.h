/* membership.h - the shell around gossip's core: its own thread, its own ZeroMQ context.
 *
 * Feeds the core with time and messages, sends what it orders, writes down what it wants persisted,
 * and publishes an immutable table of members that every thread may look at.
 *
 *   Durable  data_dir/membership.state: this node's incarnation, some members to join through
 *            at the next start, and that it left for good
 *   Errors   ERR_INVALID an address that others cannot reach; ERR_DENIED this node left for good,
 *            and has no newer certificate
 *   Threads  any, but for new and destroy
 *   Trust    every connection CURVE behind a ZAP handler of this context; a peer's proven key is
 *            bound to its certificate before anything it says reaches the core (node/net/link.h), and
 *            what one member says of another carries the other's signature and certificate
 */
#ifndef ECBAK_NODE_MEMBERSHIP_MEMBERSHIP_H
#define ECBAK_NODE_MEMBERSHIP_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/config/config.h"
#include "node/membership/member_events.h"
#include "node/net/revocations.h"
#include "node/trust/cert.h"
#include "node/trust/node_keys.h"

enum member_state {
    MEMBER_ALIVE,
    MEMBER_SUSPECT,
    MEMBER_DEAD,
    MEMBER_LEFT,
    MEMBER_REVOKED,      /* whatever it does: it may be asked for what it holds, and nothing else */
    MEMBER_INCOMPATIBLE, /* speaks none of our protocol versions: it may be asked nothing */
};

/* What a node says of its storage. Numbers travel: append only. */
enum storage_state {
    STORAGE_SERVES = 0,
    STORAGE_AWAY = 1,  /* its data directory is not there, or not its own */
    STORAGE_HANGS = 2, /* its disk does not answer */
};

struct member {
    struct cert cert; /* id, name, zone, CURVE key */
    enum member_state state;
    bool self;
    bool away; /* said that it is back soon: alive but not to be sent anything new */
    uint64_t incarnation;
    char address[64];       /* host:port, membership */
    char bulk_endpoint[80]; /* tcp://host:port */
    uint64_t capacity_bytes, used_bytes, store_epoch;
    uint32_t storage; /* enum storage_state; a number that we do not know is some trouble */
    uint32_t fragments_lost;
    char version[32];
    struct protocol protocol;             /* the versions that it speaks; {0, 0}: not known */
    struct revocation_digest revocations; /* that it knows */
    double rtt_ms;                        /* < 0: not known */
    char rival
        [64]; /* another machine has its key, and states this host:port; "": none is heard of */
    bool stands_by;     /* of ourselves: to the others that one is the member */
    bool rtt_estimated; /* rtt_ms is what others of its zone are away, not measured */
    int64_t since_s;
};

struct member_table {
    uint64_t generation; /* rises with each change but those of round trip times */
    size_t count;
    struct member *members; /* this node first */
    int references;
};

struct heartbeat;
struct membership;

/* What this node offers, told to the others. */
struct membership_offer {
    uint64_t capacity_bytes, used_bytes, store_epoch;
    uint32_t storage;        /* enum storage_state */
    uint32_t fragments_lost; /* whose files are gone from its disk, since it started */
};

/* Borrows credentials' parts and revocations (NULL: none). */
int membership_new(struct membership **membership, const struct config *config,
                   const struct credentials *credentials, struct revocations *revocations,
                   const struct membership_offer *offer, struct err *err) MUST_CHECK;
/* Says "away for a while" first, unless membership_leave said more. */
void membership_destroy(struct membership **membership);

struct member_table *membership_table(
    struct membership *membership); /* release with member_table_release */
void member_table_release(struct member_table **table);
const struct member *member_find(const struct member_table *table, const struct node_id *node);
/* What people are told of a table: known are all but those that left or are revoked, alive are those
 * that answer and are not away. */
void member_table_count(const struct member_table *table, uint32_t *known, uint32_t *alive);
const char *member_state_name(enum member_state state);
/* What is wrong with a member beside its state, for people: "" when nothing is. */
#define MEMBER_TROUBLE_MAX 288
char *member_trouble(char to[MEMBER_TROUBLE_MAX], const struct member *member);

/* Two machines have the key of a member: which, and what to do. `whose`: "its key", ... */
char *member_copied(char *to, size_t room, const struct member *member, const char *whose);

void membership_update(struct membership *membership, const struct membership_offer *offer);
/* The revocations have changed: whom they are about is expelled, and the others are told what is known. */
void membership_revocations_changed(struct membership *membership);
/* Leaves for good: the others are told. Returns when that was sent to some, or after a bound of time. */
void membership_leave(struct membership *membership);

/* The newest events after number `after`, the oldest of them first: at most max, at most
 * MEMBER_EVENTS_MAX. *newest is the number to go on after. Returns how many. */
size_t membership_events(struct membership *membership, uint64_t after, size_t max,
                         struct member_event *to, uint64_t *newest);

/* For how long the disk has kept membership's notes waiting (membership itself waits for none). */
int64_t membership_disk_waits_ms(struct membership *membership);

/* Beats at least once a second while the thread turns. */
struct heartbeat *membership_heart(struct membership *membership);

struct membership_counters {
    uint64_t no_user_id, bad_certificate, foreign, incompatible, expired, revoked, malformed;
    uint64_t suspected; /* others, by this node first */
    uint64_t refuted;   /* suspicions of this node */
    uint64_t died;      /* others, as this node concluded */
    uint64_t awareness; /* 0: this node keeps up; else how much slower than usual it judges */
    uint64_t late;      /* messages that were under way for too long, and were dropped */
};
void membership_counters(struct membership *membership, struct membership_counters *counters);

#endif
