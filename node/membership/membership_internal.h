/* membership_internal.h - what the files of membership share; nobody else includes it.
 *
 *   membership_start.c   making one
 *   membership.c         the thread, and what other threads ask
 *   membership_orders.c  carrying out what the core orders
 *   membership_events.c  telling people what happened: the log, the newest events
 *   membership_trust.c   what the core asks of us: sign, verify, admit
 *   member_table.c       the table that other threads see
 */
#ifndef ECBAK_NODE_MEMBERSHIP_MEMBERSHIP_INTERNAL_H
#define ECBAK_NODE_MEMBERSHIP_MEMBERSHIP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "gossip/swim.h"
#include "node/base/heartbeat.h"
#include "node/membership/incompatible.h"
#include "node/membership/member_events.h"
#include "node/membership/member_notes.h"
#include "node/membership/membership.h"
#include "node/membership/meta.h"
#include "node/membership/notes_writer.h"
#include "node/net/link.h"
#include "node/trust/node_keys.h"

#define ADMITTED_SLOTS 1024

/* Certificates found good, so that a signature is verified once: a set that forgets. The digest's first
 * bytes say the slot; dates are checked again each time. */
struct trust {
    const struct node_keys *keys;
    uint8_t authority_public[32];
    struct revocations *revocations;
    uint8_t (*admitted)[32]; /* [ADMITTED_SLOTS] digests of certificates */
    _Atomic uint64_t refused_count, expired_count, foreign_count, revoked_count;
};

void trust_init(struct trust *trust, const struct node_keys *keys,
                const uint8_t authority_public[32], struct revocations *revocations);
void trust_release(struct trust *trust);
/* The core's questions; context is a struct trust. */
void trust_fill_ops(struct trust *trust, struct swim_ops *ops);

struct known_seed {
    char name[16]; /* what the core calls it */
    struct link_peer peer;
};

struct membership {
    pthread_t thread;
    bool thread_runs;
    int wake_fd;
    struct heartbeat heart;

    pthread_mutex_t lock;
    pthread_cond_t left_cond;
    struct member_table *table;
    struct member_events events;
    struct swim_stats stats; /* as of the table */
    struct membership_offer offer;
    bool offer_changed, leaving, left, stopping;

    /* [thread] from here on. */
    struct link *link;
    struct swim *swim;
    struct trust trust;
    struct node_meta meta;
    char address[META_ADDRESS_MAX]; /* that we state */
    struct { /* the message that is being handled: an answer goes back as it came */
        bool now;
        struct node_id node;
        bool ours; /* on a connection of ours, else on this one */
        struct route route;
    } question;
    uint64_t serial; /* of our certificate */
    struct member_notes notes;
    struct notes_writer *notes_writer; /* who writes them down */
    char notes_path[1100];
    struct known_seed seeds[SWIM_SEEDS_MAX];
    size_t seed_count;
    struct protocol protocol; /* what we speak */
    struct incompatible incompatible;
    struct revocation_digest expelled; /* whom these are about was expelled */
    bool revoked_said;                 /* that we are out ourselves */
    char rival[SWIM_ADDRESS_MAX + 1];  /* people were told of it: another machine with our key */
    bool stands_by;                    /* and that it is the member */
    bool changed;                      /* the table is behind the core */
    int64_t published_ms, offered_ms, remembered_ms, complained_ms;
    uint64_t generation;
    _Atomic uint64_t malformed;
};

void *membership_run(void *argument);

/* [thread], and before it runs. */
void membership_carry_out(struct membership *m);
void membership_publish(struct membership *m);
/* Writes an event of the core into the log and among the newest events. */
void membership_note(struct membership *m, const struct swim_order *order);
/* Another machine with our key came, or went. */
void membership_note_rival(struct membership *m);
/* Somebody of this cluster speaks none of our protocol versions. */
void membership_note_incompatible(struct membership *m, const struct member *member);
/* Others are there: they are worth remembering, instead of those that were remembered. */
bool membership_in_company(const struct membership *m);
/* Has what is known now written down, without waiting for it. */
void membership_remember(struct membership *m);
/* [thread] link's: a message came; a connection is gone. */
void membership_received(void *ctx, struct link_message *message);
void membership_lost(void *ctx, const uint8_t curve[32], const struct err *why);
void membership_incompatible(void *ctx, const struct cert *cert, struct protocol protocol,
                             const char *address);

/* [thread] A new table from the core's members, and those who cannot be members. */
struct member_table *member_table_build(const struct membership *m, int64_t now_ms);
/* Gives those without a round trip of their own the median of what was measured in their zone. */
void member_table_estimate(struct member *members, size_t count);
/* [thread] What we state ourselves, also while another machine with our key is the member. */
void member_describe_ourselves(const struct membership *m, struct member *self);
/* [thread] What is known of a member: -1 when its description cannot be read. */
int member_describe(struct member *to, const struct swim_member *from, int64_t now_ms);

#endif
