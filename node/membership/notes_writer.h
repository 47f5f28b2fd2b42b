/* notes_writer.h - the thread that writes down what membership remembers, so that membership never
 * waits for a disk: a node whose disk hangs is slow to store, not dead.
 *
 * An incarnation must be on disk before it is said. So numbers are reserved ahead: what is on disk is
 * one that is not reached for long, and the next lot is reserved while this one is used up. A node
 * that was killed starts after the last one reserved.
 *
 *   Memory   copies what it is given
 *   Durable  notes_writer_new has written it; later ones follow, the newest alone when the disk is slow
 *   Errors   those of member_notes_save, of notes_writer_new; later ones are in the log
 *   Threads  one that gives, any that ask
 */
#ifndef ECBAK_NODE_MEMBERSHIP_NOTES_WRITER_H
#define ECBAK_NODE_MEMBERSHIP_NOTES_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/membership/member_notes.h"

struct notes_writer;

/* Writes the notes, with incarnations reserved beyond theirs, and starts the thread. */
int notes_writer_new(struct notes_writer **writer, const struct member_notes *notes,
                     const char *path, struct err *err) MUST_CHECK;
/* What is to be on disk from now on. */
void notes_writer_give(struct notes_writer *writer, const struct member_notes *notes);
/* This incarnation is going to be said. Waits only when as many were used as are reserved at a time
 * (a million) and the disk has not taken a word since. */
void notes_writer_use(struct notes_writer *writer, uint64_t incarnation);
/* Waits until what was given last is on disk, at most so long; false: it is not. */
bool notes_writer_flush(struct notes_writer *writer, int64_t timeout_ms);
/* For how long the disk has kept it waiting; 0: it does not. */
int64_t notes_writer_waits_ms(struct notes_writer *writer);
/* Writes the last notes with their own incarnation, and ends the thread. */
void notes_writer_destroy(struct notes_writer **writer);

#endif
