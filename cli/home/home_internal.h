/* home_internal.h - the small files of a vault's folder: keys and the record sequence.
 *
 * Each has a magic, a version and a digest of what stands before it, so that a torn or foreign file
 * is an error and never a wrong key.
 *
 *   Errors   ERR_FORMAT, ERR_VERSION, ERR_DAMAGED (digest), and those of durable.h
 *   Threads  any
 */
#ifndef ECBAK_CLI_HOME_HOME_INTERNAL_H
#define ECBAK_CLI_HOME_HOME_INTERNAL_H

#include "cli/home/home.h"
#include "node/trust/record.h"

struct sequence {
    uint64_t reserved, saved;
    struct record_id last; /* hash of record `saved` */
    /* Of the numbers reserved since, the newest last. More are not remembered: what they pinned stays
     * pinned for longer. */
    struct attempt_id attempts[RECORD_VOIDS_MAX + 1];
    size_t attempt_count;
};

/* dir/name, and whether it fits. */
int home_join(char path[HOME_PATH_MAX], const char *dir, const char *name,
              struct err *err) MUST_CHECK;

int vault_key_write(const char *dir, const uint8_t secret[VAULT_SECRET_SIZE],
                    struct err *err) MUST_CHECK;
int vault_key_read(const char *dir, struct vault_keys **keys, struct err *err) MUST_CHECK;
/* From and into vault's writer, writer_secret, writer_cert. */
int writer_key_write(const char *dir, const struct vault *vault, struct err *err) MUST_CHECK;
int writer_key_read(struct vault *vault, struct err *err) MUST_CHECK;
int sequence_write(const char *dir, const struct sequence *sequence, struct err *err) MUST_CHECK;
int sequence_read(const char *dir, struct sequence *sequence, struct err *err) MUST_CHECK;

#endif
