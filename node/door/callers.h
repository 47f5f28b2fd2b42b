/* callers.h - the connections that a door watches, by their descriptors: who is there since when, how
 * much came, and whether that is too much. The limits are those of door.h.
 *
 *   Limits   a quarter of the process's descriptors
 *   Errors   ERR_IO, ERR_MEMORY what the system says
 *   Memory   a struct callers is its door's; release gives back what it holds
 *   Threads  any, but for init and release
 */
#ifndef ECBAK_NODE_DOOR_CALLERS_H
#define ECBAK_NODE_DOOR_CALLERS_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

/* Why one was ended. */
enum callers_ended {
    CALLERS_SILENT,
    CALLERS_CROWDED,
    CALLERS_OVERSIZED,
    CALLERS_TURNED_AWAY,
    CALLERS_COUNTS,
};

/* One TCP connection; its place is its descriptor. */
struct caller {
    bool there, ended;
    bool made; /* by us */
    /* It may be so before `there`: a message can be faster than the news of its connection. */
    bool proven;
    bool watched; /* epoll will tell when something comes */
    uint8_t curve[32];
    struct in6_addr address;
    in_port_t port;
    int64_t since_ms;
    uint64_t taken, seen; /* bytes of whole messages; bytes that had come at the last look */
};

struct callers {
    int epoll_fd; /* readable when one has to be looked at */
    uint64_t backlog_max;
    size_t max;
    _Atomic uint64_t counts[CALLERS_COUNTS];
    pthread_mutex_t lock; /* guards what follows */
    struct caller *of;
    size_t room;
};

/* To be released also when it fails. */
int callers_init(struct callers *callers, uint64_t backlog_max, struct err *err) MUST_CHECK;
void callers_release(struct callers *callers);

/* One was accepted at our port `own`; turned_away: no stranger is let in now. */
void callers_came(struct callers *callers, int fd, in_port_t own, bool turned_away);
void callers_made(struct callers *callers, int fd);
void callers_gone(struct callers *callers, int fd);
void callers_heard(struct callers *callers, int fd, uint64_t bytes, const uint8_t curve[32]);
void callers_end_strangers(struct callers *callers);

/* Those of which epoll_fd tells are looked at from now on. */
void callers_read_watched(struct callers *callers);
/* Ends those that are beyond what they may. Returns how long nothing has to be looked at; -1: until
 * epoll_fd tells. */
long callers_look(struct callers *callers);

/* The port at our end of a connection, or of a socket that listens. */
bool callers_own_port(int fd, in_port_t *port);

#endif
