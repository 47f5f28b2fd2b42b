/* cache_internal.h - the cache's file and its statements. Whoever calls these holds the lock. */
#ifndef ECBAK_CLI_HOME_CACHE_INTERNAL_H
#define ECBAK_CLI_HOME_CACHE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/home/cache.h"

enum cache_statement {
    CACHE_FIND,
    CACHE_FIND_OTHER,
    CACHE_ADD_PACK,
    CACHE_ADD_CHUNK,
    CACHE_KEEP_OTHER,
    CACHE_REPLACE_CHUNK,
    CACHE_DROP_PACK,
    CACHE_UNPUBLISHED,
    CACHE_SET_PUBLISHED,
    CACHE_HAS_INDEX,
    CACHE_HAS_PACK,
    CACHE_ADD_INDEX,
    CACHE_READ_INDEX,
    CACHE_INDEX_SIZE,
    CACHE_ALTERED,
    CACHE_FORGET_INDEXES,
    CACHE_BEGIN,
    CACHE_BEGIN_READING,
    CACHE_COMMIT,
    CACHE_STATEMENTS,
};

struct cache {
    sqlite3 *db;
    sqlite3_stmt *statements[CACHE_STATEMENTS];
    pthread_mutex_t lock;
    char *folder, *path; /* path "": nothing of it is kept */
    char *notice;        /* NULL: nothing is to be said */
    bool is_new;         /* there was none */
    bool damaged;
    bool batch;
    size_t batch_rows;
};

/* ---- cache_files.c --------------------------------------------------------------------------- */

/* The number of the newest cache in the folder; 0 when there is none. */
uint64_t cache_newest(const char *folder);
/* The number of the one to be made after `newest`. */
uint64_t cache_next(uint64_t newest);
/* Its file; malloc'd. */
char *cache_file(const char *folder, uint64_t number);
/* The file, and those that SQLite keeps beside it. */
void cache_remove(const char *path);
/* All others in the folder. */
void cache_remove_others(const char *folder, uint64_t number);

/* ---- cache_db.c ------------------------------------------------------------------------------ */

/* Fills err from SQLite's last error; returns -1. */
int cache_fail(struct cache *c, struct err *err, const char *what);
/* The same, when a row does not prove itself. */
int cache_altered(struct cache *c, struct err *err);
/* Runs a statement that yields nothing; `what` begins the error's text. */
int cache_run(struct cache *c, enum cache_statement which, struct err *err,
              const char *what) MUST_CHECK;
/* Ends the transaction in any case: commits, or rolls back with an error. */
int cache_end(struct cache *c, struct err *err) MUST_CHECK;

/* ---- cache_proof.c --------------------------------------------------------------------------- */

/* Gives the statements their proof(); SQLite's code. */
int cache_add_proof(struct cache *c) MUST_CHECK;

#endif
