/* client.h - what a command says to its node.
 *
 * One struct client is one connection to a node's client socket. Requests can be in flight side by
 * side: *_start sends and returns a call number, client_next hands out the answers as they come.
 * The plain functions do one request and wait.
 *
 *   Limits   at most CLIENT_CALLS_MAX in flight; a pack at most PACK_SIZE_MAX, its fragments
 *            BUNDLE_SIZE_MAX
 *   Errors   those of the node (their codes are err.h's); ERR_USAGE an endpoint that can be none; ERR_TIMEOUT when the node does not answer:
 *            the text says how to start it; ERR_DENIED when the socket may not be opened
 *   Memory   uint8_t ** is taken and nulled (a malloc'd buffer); answers are the caller's to release
 *   Threads  one at a time for one struct client; several clients in several threads
 */
#ifndef ECBAK_NODE_API_CLIENT_H
#define ECBAK_NODE_API_CLIENT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "coding/base/protocol.h"
#include "node/trust/pin.h"

#define CLIENT_CALLS_MAX 16
/* Leaves that each node proves of all that it says it holds, chosen by chance. Of a node that lacks a
 * part f of it, (1 - f)^16 pass: an eighth of a disk is missed one time in eight, all of it never. */
#define CLIENT_PROVE_LEAVES   16
#define CLIENT_UNPROVEN_MAX   64
#define CLIENT_PIN_MAX        PIN_PACKS_MAX
#define CLIENT_SOCKET_DEFAULT "ipc:///run/ecbak/client.sock"

struct client;

/* How well a pack is held: see Redundancy in client.proto. */
struct redundancy {
    struct pack_id pack;
    struct object_id object;
    uint32_t data, parity;
    uint32_t nodes;  /* distinct nodes with a fragment */
    uint32_t others; /* of these, other than the node asked */
    uint64_t sent_bytes;
    bool full; /* it could be on more nodes if they had space */
};

struct counter {
    char name[48];
    uint64_t value;
};
#define CLIENT_COUNTERS_MAX 32

#define CLIENT_INCOMPATIBLE_MAX 64

#define CLIENT_TROUBLES_MAX 8
#define CLIENT_TROUBLE_MAX  320

struct node_status {
    struct cluster_id cluster;
    struct node_id node;
    char name[32];
    char version[32];
    char state[256]; /* "serving", or why storage is out of service */
    uint32_t members_known, members_alive;
    uint32_t data, parity; /* what automatic would be; 0 + 0: none, and no_shape says why */
    char no_shape[256];
    uint64_t capacity_bytes, used_bytes, fragments, records;
    uint32_t reach_asked, reach_failed; /* members that tried to reach this node, and could not */
    char reach[256];                    /* "yes", or what did not work */
    int64_t certificate_until_s;        /* 0: an older node did not say */
    struct counter counters[CLIENT_COUNTERS_MAX];
    size_t counter_count;
    struct protocol protocol;
    char incompatible[CLIENT_INCOMPATIBLE_MAX][112]; /* a sentence each */
    size_t incompatible_count;
    char troubles[CLIENT_TROUBLES_MAX][CLIENT_TROUBLE_MAX]; /* a sentence each */
    size_t trouble_count;
};

struct member_info {
    struct node_id id;
    uint8_t curve[32]; /* zeros: an older node did not say */
    char name[32], zone[32], address[64], version[32];
    char trouble[CLIENT_TROUBLE_MAX]; /* beside its state: "" when nothing is wrong */
    char state[16];                   /* alive suspect away dead left revoked incompatible */
    struct protocol protocol;         /* {0, 0}: not known */
    uint64_t incarnation, capacity_bytes, used_bytes;
    double rtt_ms;      /* < 0: not known */
    bool rtt_estimated; /* not measured: what others of its zone are away */
    int64_t since_s;
    bool self;
};

/* Something that happened to a member: see MemberEvent in client.proto. */
struct member_event_info {
    uint64_t number;
    int64_t time_ms; /* since 1970 */
    char kind[12];   /* as in client.proto */
    struct node_id id;
    char name[32], address[64]; /* "" when not known */
    char detail[80];            /* who accuses, the other's address, what is new */
};
#define CLIENT_EVENTS_MAX 256 /* a node keeps no more */

struct member_list {
    struct cluster_id cluster;
    struct member_info *members; /* sorted by name */
    size_t count;
    struct member_event_info *events; /* the oldest first */
    size_t event_count;
    uint64_t newest_event; /* the number to go on after */
};

/* What of the members is wanted. */
struct members_wanted {
    bool members;
    uint32_t events_max;   /* of the newest events, so many at most */
    uint64_t events_after; /* and only those after this number */
};

/* endpoint NULL: $ECBAK_SOCKET or the default. Does not wait for an answer. */
int client_open(struct client **client, const char *endpoint, struct err *err) MUST_CHECK;
/* The same, with client_set_patience from the start: the node need not be there yet. When patience
 * ends, the calls fail, and their error says how to start it. */
int client_open_patient(struct client **client, const char *endpoint, int patience_ms,
                        struct err *err) MUST_CHECK;
void client_close(struct client **client);
/* How long the plain functions and client_next wait at most (default 120 s; 0 = for ever). */
void client_set_timeout(struct client *client, int timeout_ms);
/* How long a node that goes away while it is asked has to come back: an upgrade restarts it. What it
 * did not answer is asked again then; every request may be. Default 0: calls fail at once.
 * CLIENT_PATIENCE_ENDLESS: only the time of each call bounds it. */
#define CLIENT_PATIENCE_ENDLESS INT_MAX
#define CLIENT_PATIENCE_MS      60000
void client_set_patience(struct client *client, int patience_ms);

/* tell (NULL: nobody) is called once by whatever takes longer than CLIENT_SILENCE_MS, in the thread
 * that waits, with what it waits for and how long at most. For the whole process: set it before the
 * first client is opened. */
#define CLIENT_SILENCE_MS 3000
void client_tell_waits(void (*tell)(const char *what));

int client_status(struct client *client, struct node_status *status, struct err *err) MUST_CHECK;
int client_members(struct client *client, struct member_list *list, struct err *err) MUST_CHECK;
/* Members, the newest events, or both. */
int client_members_wanted(struct client *client, const struct members_wanted *wanted,
                          struct member_list *list, struct err *err) MUST_CHECK;
void member_list_release(struct member_list *list);

/* What a pack became that is to be stored, and the word of its writer. */
struct pack_to_put {
    uint8_t *fragments; /* a fragment_bundle; taken, and nulled */
    size_t size;
    const uint8_t *grant; /* the writer's part of the SignedGrant: grant_seal; borrowed */
    size_t grant_size;
};

int client_put_pack_start(struct client *client, uint64_t *call, struct pack_to_put *put,
                          struct err *err) MUST_CHECK;
/* A pack of this vault. */
int client_get_pack_start(struct client *client, uint64_t *call, const struct vault_id *vault,
                          const struct pack_id *pack, struct err *err) MUST_CHECK;

struct client_answer {
    uint64_t call;
    struct err err;         /* code ERR_NONE when it was done */
    struct redundancy held; /* of a put */
    uint8_t *pack;          /* of a get; malloc'd, the caller's */
    size_t pack_size;
    uint32_t corrupt; /* of a get, also one that failed: damaged fragments met on the way */
};
/* The next answer to a started call, in any order. -1: none came in time, none is under way, or the
 * socket is broken. */
int client_next(struct client *client, struct client_answer *answer, struct err *err) MUST_CHECK;

/* A member that could not prove what it said it holds: see Unproven in client.proto. */
struct unproven {
    struct node_id node;
    char name[32];
    bool excluded; /* nothing of it counts */
    uint32_t read, damaged;
    char text[256]; /* what happened, and what to do */
};

/* What is to be proven, and who could not: the list grows over several calls, and whoever is excluded
 * by one counts for nothing in those that follow. */
struct proofs {
    uint32_t leaves; /* each node proves so many of all packs of a call; 0: nothing is proven */
    struct unproven members[CLIENT_UNPROVEN_MAX];
    size_t count;
};

/* For which run packs are pinned, and who signs that. Borrows all. */
struct pin_as {
    const struct cluster_id *cluster;
    const struct pin *pin;
    const struct signer *signer;
};

/* held[count] is filled in the order of packs; any count: each CLIENT_PIN_MAX of them are signed and
 * sent together. */
int client_pin_packs(struct client *client, const struct pin_as *as, const struct pack_id *packs,
                     size_t count, bool repair, struct proofs *proofs, struct redundancy *held,
                     struct err *err) MUST_CHECK;

/* What became of a record at the other nodes. */
struct record_kept {
    uint32_t others; /* have it on disk */
    uint32_t full;   /* have no room for it, or none for what this node brings */
    char why[256];   /* what one of these said */
};
int client_put_record(struct client *client, const uint8_t *record, size_t size,
                      uint32_t others_wanted, struct record_kept *kept, struct err *err) MUST_CHECK;

struct record_list {
    uint8_t **records; /* SignedRecord bytes, unchecked */
    size_t *sizes;
    size_t count;
    uint32_t nodes_asked, nodes_answered;
};
int client_get_records(struct client *client, const struct vault_id *vault,
                       struct record_list *list, struct err *err) MUST_CHECK;
void record_list_release(struct record_list *list);

/* A revocation as the authority signed it: the node proves it, keeps it and spreads it. *known: it
 * had it before. */
int client_revoke(struct client *client, const uint8_t *revocation, size_t size, bool *known,
                  struct err *err) MUST_CHECK;

/* Leave the cluster for good. */
int client_leave(struct client *client, struct err *err) MUST_CHECK;

#endif
