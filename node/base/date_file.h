/* date_file.h - the latest date that a node has seen, written down for the next start.
 *
 * DATA/clock.state, see date.h for what it is good for:
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
#ifndef ECBAK_NODE_BASE_DATE_FILE_H
#define ECBAK_NODE_BASE_DATE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/base/date.h"
#include "node/trust/cert.h"

#define DATE_FILE_SIZE 64

/* What is known of the date: from the certificate, and from the file where that is there and good.
 * Otherwise err says why not, for the log. */
void date_file_load(struct date_floor *floor, const char *data_dir, const struct cert *cert,
                    struct err *err);
int date_file_save(const struct date_floor *floor, const char *data_dir,
                   struct err *err) MUST_CHECK;

void date_file_encode(uint8_t bytes[DATE_FILE_SIZE], int64_t seen_s);
int date_file_decode(int64_t *seen_s, const uint8_t *bytes, size_t size,
                     struct err *err) MUST_CHECK;

#endif
