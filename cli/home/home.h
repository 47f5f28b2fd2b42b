/* home.h - $ECBAK_HOME: the vaults that this machine can open, one folder each.
 *
 *   HEX16/              the first 16 hexadecimal digits of the vault id; 0700
 *       vault.key       the secret
 *       writer.key      this machine's writer: id, Ed25519 secret, certificate
 *       sequence        last reserved and last saved record number, hash of the last record
 *       records/        own records as signed, saved before they are sent
 *       heads           see heads.h: the newest records seen (without it a roll-back is not noticed)
 *       lock            one store at a time
 *
 * Every file is 0600; a vault whose folder or keys others may touch is refused. All of it is written
 * durably. What can be made anew is in another folder, of caches:
 *
 *   HEX16-HEX8/         of a vault in a home, by the vault id and a hash of the home and the writer
 *       cache-*.db      see cache.h
 *       state/          per set of paths: what the last store saw
 *
 *   Errors   ERR_NOT_FOUND no vault: the text says `ecbak init` or `ecbak open`; ERR_USAGE several
 *            and none named; ERR_BUSY another store runs; ERR_DENIED permissions too wide;
 *            ERR_FORMAT, ERR_VERSION, ERR_DAMAGED a file of the vault
 *   Memory   secrets lie in sodium_malloc'd memory
 *   Threads  one at a time for one struct vault; any number of processes
 */
#ifndef ECBAK_CLI_HOME_HOME_H
#define ECBAK_CLI_HOME_HOME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/vault/keys.h"
#include "coding/base/err.h"

#define HOME_PATH_MAX      4096
#define WRITER_SECRET_SIZE 64

struct vault {
    char dir[HOME_PATH_MAX];
    struct vault_keys *keys;
    struct writer_id writer;
    uint8_t *writer_secret; /* WRITER_SECRET_SIZE bytes, sodium_malloc */
    uint8_t *writer_cert;   /* encoded, malloc */
    size_t writer_cert_size;
    int lock; /* file descriptor, -1 when not held */
};

/* $ECBAK_HOME or its default into path. */
int home_path(char path[HOME_PATH_MAX], struct err *err) MUST_CHECK;
/* The folder of this vault's caches, which need not be there: below $ECBAK_CACHE, $XDG_CACHE_HOME,
 * or ~/.cache; where there is none of them, in the vault's folder. */
int home_caches(char path[HOME_PATH_MAX], const struct vault *vault, struct err *err) MUST_CHECK;
/* mkdir -p, durable and private. */
int home_make_dirs(const char *path, struct err *err) MUST_CHECK;
/* Makes the vault's folder with keys and a new writer. secret NULL: a new vault. ERR_EXISTS if it
 * is there. show (or NULL) is called when all of it is on disk but its name: when it fails there is
 * no vault, so none is ever used whose phrase nobody saw. */
int vault_create(struct vault **vault, const uint8_t *secret,
                 int (*show)(void *ctx, const struct vault_keys *keys, struct err *err), void *ctx,
                 struct err *err) MUST_CHECK;
/* name: hex prefix of the vault id, or NULL ($ECBAK_VAULT, or the only one). */
int vault_load(struct vault **vault, const char *name, struct err *err) MUST_CHECK;
void vault_close(struct vault **vault);
/* Until vault_close, or the process ends. ERR_BUSY when another store holds it for wait_ms more;
 * ERR_CANCELLED once *cancel is true (NULL: never). */
int vault_lock(struct vault *vault, uint64_t wait_ms, const _Atomic bool *cancel,
               struct err *err) MUST_CHECK;
/* Of a locked vault: when its record numbers are lost or damaged, they are made anew behind the newest of
 * this writer's records: one saved here, or the one that the cluster has (number 0: none). all_asked:
 * nobody has not answered. ERR_TOO_FEW: somebody has not, and nothing is saved here. */
struct newest_known {
    const struct cluster_id *cluster;
    uint64_t number;
    const struct record_id *hash;
    bool all_asked;
};
int vault_renew_sequence(struct vault *vault, const struct newest_known *newest, bool *renewed,
                         struct err *err) MUST_CHECK;
/* Reserves a record number durably (before the first upload), of a locked vault. None is ever given
 * twice, also when its record is never saved. previous is the hash of the last record, zeros when
 * there is none. */
int vault_reserve(struct vault *vault, uint64_t *number, struct record_id *previous,
                  struct err *err) MUST_CHECK;
/* Saves a signed record durably (before it is sent) as the newest of this writer; number is the one
 * reserved. */
int vault_save_record(struct vault *vault, uint64_t number, const uint8_t *bytes, size_t size,
                      const struct record_id *hash, struct err *err) MUST_CHECK;
/* The newest own record, to be re-sent unchanged (ERR_NOT_FOUND: none). */
int vault_last_record(struct vault *vault, uint64_t *number, uint8_t **bytes, size_t *size,
                      struct err *err) MUST_CHECK;
/* Of a locked vault: when the record (this writer's newest that the cluster has) is not known here,
 * the vault's folder is an older copy, or another machine uses one; then the writer goes on from that
 * record, with numbers that no store can have used since. */
int vault_catch_up(struct vault *vault, uint64_t number, const uint8_t *bytes, size_t size,
                   const struct record_id *hash, bool *was_behind, struct err *err) MUST_CHECK;

#endif
