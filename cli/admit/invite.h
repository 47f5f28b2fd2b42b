/* invite.h - the process behind a ticket: it admits the first machine that shows it, and no other.
 *
 * One process, one thread, one token: that is what makes "first use wins" strict. Its CURVE key and
 * its token are in memory alone, so a ticket ends with its process. The certificate and the note
 * that the ticket was used are on disk before they are answered.
 *
 *   Trust    anybody may connect who has the ticket's CURVE key; only the token admits. Every byte
 *            is checked and bounded
 *   Errors   ERR_USAGE an option; ERR_IO the port is taken; ERR_NOT_FOUND no address to be reached
 *            at; those of issuer_open
 *   Threads  one
 */
#ifndef ECBAK_CLI_ADMIT_INVITE_H
#define ECBAK_CLI_ADMIT_INVITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/admit/issuer.h"
#include "cli/admit/ticket.h"

#define INVITE_SEEDS_MAX 8

struct invite_seed {
    char address[TICKET_ADDRESS_SIZE];
    uint8_t curve[32];
};

struct invitation;

struct invite_options {
    const char *dir;              /* the authority's */
    const char *listen;           /* ADDRESS:PORT; port 0: any */
    const char *const *advertise; /* addresses for the ticket; none: those of this machine */
    size_t advertise_count;
    struct issuer_terms terms;       /* name and zone NULL: the machine's own choice */
    int64_t seconds;                 /* how long the ticket is good */
    const struct invite_seed *seeds; /* borrowed */
    size_t seed_count;
};

/* Listens from now on. */
int invite_open(struct invitation **invitation, const struct invite_options *options,
                struct err *err) MUST_CHECK;
void invite_close(struct invitation **invitation);
const struct ticket *invite_ticket(const struct invitation *invitation);

enum invite_state {
    INVITE_WAITING,
    INVITE_USED, /* answered, not heard of again yet */
    INVITE_DONE, /* the machine has its certificate */
    INVITE_EXPIRED,
};

/* Waits at most wait_ms for messages, or until stop_fd (-1: none) can be read, and answers them. */
enum invite_state invite_turn(struct invitation *invitation, int stop_fd, int wait_ms);
/* Why the last machine was refused, where that is this machine's affair and was not told to it: NULL
 * when there is nothing, or it was asked for before. */
const char *invite_trouble(struct invitation *invitation);
/* Who was admitted, once INVITE_USED. */
const struct cert *invite_admitted(const struct invitation *invitation);
/* The certificate that another node has under that name and keeps (terms.replace); without one its
 * name is empty. */
const struct cert *invite_replaced(const struct invitation *invitation);

#endif
