/* rs.h - Reed-Solomon erasure code over GF(2^8).
 *
 * Turns k data rows into m parity rows; any k of the k + m give back the rest. Row numbers run
 * through data first: row i is data row i for i < k, and parity row i - k from there on.
 *
 *   Shapes   rows[k + m], each its own buffer of size bytes; NULL stands for a lost row
 *   Units    size in bytes, any; buffers aligned to RS_ALIGN save a copy, others work
 *   Limits   1 <= k, 1 <= m, k + m <= RS_TOTAL_MAX
 *   Errors   ERR_INVALID bad shape or index; ERR_TOO_FEW fewer than k rows given; ERR_MEMORY
 *   Memory   borrows every buffer, keeps none; outputs must not overlap inputs or each other
 *   Threads  any, after rs_setup() returned; a struct rs may be shared, it never changes
 *   Source   Plank, "Jerasure 2.0": the systematic matrix that it derives from a Vandermonde
 *            matrix, whose first row and first column are ones (so m = 1 is plain XOR); in every
 *            shape any k rows are independent. The matrix is part of the format: tests pin it, and
 *            FORMAT.md says how to compute it without the library
 */
#ifndef ECBAK_CODING_RS_H
#define ECBAK_CODING_RS_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

#define RS_ALIGN     64
#define RS_TOTAL_MAX 255

struct rs;
struct rs_solution;

/* Prepares the field, once, before any thread codes: the library fills its tables on first use,
 * without a lock. Calling it again does nothing. */
int rs_setup(struct err *err) MUST_CHECK;

/* The code of k data and m parity rows. */
int rs_new(struct rs **rs, unsigned k, unsigned m, struct err *err) MUST_CHECK;
void rs_destroy(struct rs **rs);

/* How often data row `data` is in parity row `parity`: one number of the golden matrix. */
uint8_t rs_coefficient(const struct rs *rs, unsigned parity, unsigned data);

/* parity[m] from data[k]. */
int rs_encode(const struct rs *rs, const uint8_t *const data[], uint8_t *const parity[],
              size_t size, struct err *err) MUST_CHECK;

/* The lost data rows from any k of rows[k + m]: fills lost[i] for every i < k with rows[i] NULL; a
 * lost row whose lost[i] is NULL is left out. */
int rs_decode(const struct rs *rs, const uint8_t *const rows[], uint8_t *const lost[], size_t size,
              struct err *err) MUST_CHECK;

/* One row, data or parity, from any k others, without decoding the rest; rows[index] is not read.
 */
int rs_rebuild(const struct rs *rs, const uint8_t *const rows[], unsigned index, uint8_t *row,
               size_t size, struct err *err) MUST_CHECK;

/* The same in two steps, for callers that walk rows piece by piece: rs_solve finds once how to write
 * each row wanted[wanted_count] as a combination of the rows sources[k] (all different); rs_apply
 * computes out[wanted_count] from in[k], in that order, for any range. */
int rs_solve(struct rs_solution **solution, const struct rs *rs, const unsigned sources[],
             const unsigned wanted[], unsigned wanted_count, struct err *err) MUST_CHECK;
void rs_apply(const struct rs_solution *solution, const uint8_t *const in[], uint8_t *const out[],
              size_t size);
void rs_solution_destroy(struct rs_solution **solution);

#endif
