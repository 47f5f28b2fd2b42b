/* clock_file.h - the latest date that a node has seen, written down for the next start.
 *
 * DATA/clock.state, see clock.h for what it is good for:
 *
 *   offset size
 *        0    8  magic "ecbkclck"
 *        8    2  version, 1
 *       10    6  zero
 *       16    8  seconds since 1970
 *       24    8  zero
 *       32   32  BLAKE2b-256, personalised "ecbak clock 1", of bytes 0 to 31
 *
 *   Errors   ERR_NOT_FOUND; ERR_FORMAT; ERR_VERSION; ERR_DAMAGED; those of durable.h
 *   Threads  any
 */
#ifndef ECBAK_NODE_BASE_CLOCK_FILE_H
#define ECBAK_NODE_BASE_CLOCK_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/api/cert.h"
#include "node/base/clock.h"

#define CLOCK_FILE_SIZE 64

/* What is known of the date: from the certificate, and from the file where that is there and good.
 * Otherwise err says why not, for the log. */
void clock_file_load(struct clock_floor *floor, const char *data_dir, const struct cert *cert,
                     struct err *err);
int clock_file_save(const struct clock_floor *floor, const char *data_dir,
                    struct err *err) MUST_CHECK;

void clock_file_encode(uint8_t bytes[CLOCK_FILE_SIZE], int64_t seen_s);
int clock_file_decode(int64_t *seen_s, const uint8_t *bytes, size_t size,
                      struct err *err) MUST_CHECK;

#endif
