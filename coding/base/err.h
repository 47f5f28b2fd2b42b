/* err.h - the one shape of an error: a code for programs, a sentence for people.
 *
 * The caller owns a struct err; a fallible function takes it last, returns 0 or -1, and fills it
 * only when it returns -1. The text says what failed, on what, and what to do next.
 *
 *   Limits   text at most ERR_TEXT_MAX - 1 bytes; of a longer one the middle is left out: what failed
 *            stands at its beginning, why at its end, and a long path between them
 *   Threads  any; no global state
 */
#ifndef ECBAK_CODING_BASE_ERR_H
#define ECBAK_CODING_BASE_ERR_H

#include <stdarg.h>

#define ERR_TEXT_MAX 512

/* Append only: the numbers travel in replies between nodes and commands. */
enum err_code {
    ERR_NONE = 0,
    ERR_INVALID = 1, /* an argument or a shape that can never work */
    ERR_FORMAT = 2,  /* bytes that are not what they claim to be: bad magic, truncated, malformed */
    ERR_VERSION = 3, /* a format version that this program does not know */
    ERR_DAMAGED = 4, /* well-formed, but a digest or a signature differs */
    ERR_FOREIGN = 5, /* whole, but of another object, vault, node or cluster */
    ERR_TOO_FEW = 6, /* too few fragments, members or answers */
    ERR_NOT_FOUND = 7,  /* nothing here under that name */
    ERR_EXISTS = 8,     /* it is there already, and must not be replaced */
    ERR_FULL = 9,       /* no space, or a quota is reached */
    ERR_IO = 10,        /* the operating system said no; the text has its words */
    ERR_TIMEOUT = 11,   /* no answer in time */
    ERR_DENIED = 12,    /* not allowed: no certificate, no grant, no right */
    ERR_BUSY = 13,      /* a bounded queue is full: try again later */
    ERR_MEMORY = 14,    /* no memory for a large buffer */
    ERR_KEY = 15,       /* a wrong key or phrase */
    ERR_USAGE = 16,     /* the command line is wrong */
    ERR_CANCELLED = 17, /* stopped on request */
    ERR_LEFT = 18,      /* a member no more, for good: trying again changes nothing */
    ERR_LAST = ERR_LEFT,
};

struct err {
    enum err_code code;
    char text[ERR_TEXT_MAX];
};

#define ERR_INIT   ((struct err){ERR_NONE, ""})
#define MUST_CHECK __attribute__((warn_unused_result))

/* Fill err (which may be NULL) and return -1, so that `return err_set(...)` is one line. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* err_set with ": " and the words of errno appended; the code is ERR_FULL for ENOSPC and EDQUOT,
 * and ERR_NOT_FOUND for ENOENT; ERR_IO else. */
int err_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put "what: " before the text that is there; returns -1. */
int err_context(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Take over another error; returns -1. */
int err_copy(struct err *err, const struct err *from);

/* The static analyzer sees one file at a time: tell it what these return. */
#ifdef __clang_analyzer__
#define err_set(...)     ((void)err_set(__VA_ARGS__), -1)
#define err_errno(...)   ((void)err_errno(__VA_ARGS__), -1)
#define err_context(...) ((void)err_context(__VA_ARGS__), -1)
#endif

/* A stable lower-case word for a code ("too_few"), used in --json and logs. */
const char *err_name(enum err_code code);

#endif
