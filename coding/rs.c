/* Jerasure makes and inverts the matrices, gf-complete multiplies regions.
 *
 * Jerasure's own jerasure_matrix_encode walks whole buffers once per coefficient, out of memory
 * each time, counts bytes in static variables, and exits the process on a shape that it dislikes.
 * So the walk is ours: all rows block by block, a block of every row staying in the cache, and
 * every shape is checked before the library sees it. */
#include "coding/rs.h"

#include <assert.h>
#include <jerasure.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <reed_sol.h>

#include "coding/base/alloc.h"

#define FIELD_BITS 8
#define BLOCK_SIZE 16384
#define SIMD_ALIGN 16 /* gf-complete exits when source and target differ in it */

struct rs {
    unsigned k;
    unsigned m;
    uint8_t matrix[]; /* [m][k] */
};

struct rs_solution {
    unsigned in_count;
    unsigned out_count;
    uint8_t matrix[]; /* [out_count][in_count] */
};

static pthread_mutex_t setup_lock = PTHREAD_MUTEX_INITIALIZER;
static gf_t *field;

int rs_setup(struct err *err)
{
    int result = 0;
    pthread_mutex_lock(&setup_lock);
    if (field == NULL) {
        if (galois_init_default_field(FIELD_BITS) == 0)
            field = galois_get_field_ptr(FIELD_BITS);
        if (field == NULL)
            result = err_set(err, ERR_MEMORY, "no memory for the tables of GF(2^8)");
    }
    pthread_mutex_unlock(&setup_lock);
    return result;
}

static uint8_t multiply(uint8_t a, uint8_t b)
{
    return (uint8_t)field->multiply.w32(field, a, b);
}

int rs_new(struct rs **rs, unsigned k, unsigned m, struct err *err)
{
    assert(field != NULL);
    *rs = NULL;
    if (k == 0 || m == 0 || k >= RS_TOTAL_MAX || m >= RS_TOTAL_MAX || k + m > RS_TOTAL_MAX)
        return err_set(err, ERR_INVALID,
                       "%u data and %u parity rows: each must be at least 1, and "
                       "together at most %d",
                       k, m, RS_TOTAL_MAX);
    int *matrix = reed_sol_vandermonde_coding_matrix((int)k, (int)m, FIELD_BITS);
    if (matrix == NULL)
        return err_set(err, ERR_MEMORY, "no memory for the matrix of %u+%u", k, m);
    struct rs *made = alloc_zero(1, sizeof(*made) + (size_t)k * m);
    made->k = k;
    made->m = m;
    for (size_t i = 0; i < (size_t)k * m; i++)
        made->matrix[i] = (uint8_t)matrix[i];
    free(matrix);
    *rs = made;
    return 0;
}

void rs_destroy(struct rs **rs)
{
    free(*rs);
    *rs = NULL;
}

uint8_t rs_coefficient(const struct rs *rs, unsigned parity, unsigned data)
{
    assert(parity < rs->m && data < rs->k);
    return rs->matrix[(size_t)parity * rs->k + data];
}

static bool aligned(const uint8_t *bytes)
{
    return (uintptr_t)bytes % SIMD_ALIGN == 0;
}

/* A vector that may lie anywhere. */
typedef uint64_t lane __attribute__((vector_size(16), aligned(1), may_alias));

/* to = the sum of all rows. Sums need no tables, and taking all rows in one pass writes `to` once: the
 * first parity row, whose coefficients are all one, costs a fraction of the others. */
static void add_rows(uint8_t *to, const uint8_t *const rows[], unsigned count, size_t size)
{
    size_t at = 0;
    for (; at + 4 * sizeof(lane) <= size; at += 4 * sizeof(lane)) {
        const lane *row = (const lane *)(rows[0] + at);
        lane a = row[0], b = row[1], c = row[2], d = row[3];
        for (unsigned i = 1; i < count; i++) {
            row = (const lane *)(rows[i] + at);
            a ^= row[0];
            b ^= row[1];
            c ^= row[2];
            d ^= row[3];
        }
        lane *out = (lane *)(to + at);
        out[0] = a;
        out[1] = b;
        out[2] = c;
        out[3] = d;
    }
    for (; at < size; at++) {
        uint8_t sum = rows[0][at];
        for (unsigned i = 1; i < count; i++)
            sum ^= rows[i][at];
        to[at] = sum;
    }
}

/* target ^= by * from, or = for the first term; what is not aligned goes through scratch. */
static void add_product(uint8_t *target, const uint8_t *from, uint8_t by, size_t size, bool first)
{
    _Alignas(RS_ALIGN) uint8_t scratch[BLOCK_SIZE];
    assert(size <= sizeof(scratch) && aligned(target));
    if (!aligned(from))
        from = memcpy(scratch, from, size);
    field->multiply_region.w32(field, (void *)from, target, by, (int)size, !first);
}

/* out = matrix * in for one block, which the cache holds. */
static void combine_block(const uint8_t *matrix, unsigned in_count, unsigned out_count,
                          const uint8_t *const in[], uint8_t *const out[], size_t offset,
                          size_t size)
{
    _Alignas(RS_ALIGN) uint8_t scratch[BLOCK_SIZE];
    const uint8_t *ones[RS_TOTAL_MAX];
    for (unsigned o = 0; o < out_count; o++) {
        const uint8_t *by = matrix + (size_t)o * in_count;
        uint8_t *to = out[o] + offset;
        uint8_t *target = aligned(to) ? to : scratch;
        unsigned one_count = 0;
        for (unsigned i = 0; i < in_count; i++)
            if (by[i] == 1)
                ones[one_count++] = in[i] + offset;
        bool first = one_count == 0;
        if (!first)
            add_rows(target, ones, one_count, size);
        for (unsigned i = 0; i < in_count; i++) {
            if (by[i] < 2)
                continue;
            add_product(target, in[i] + offset, by[i], size, first);
            first = false;
        }
        assert(!first); /* no row of these matrices is all zero */
        if (target != to)
            memcpy(to, target, size);
    }
}

static void combine(const uint8_t *matrix, unsigned in_count, unsigned out_count,
                    const uint8_t *const in[], uint8_t *const out[], size_t size)
{
    for (size_t offset = 0; offset < size; offset += BLOCK_SIZE)
        combine_block(matrix, in_count, out_count, in, out, offset,
                      size - offset < BLOCK_SIZE ? size - offset : BLOCK_SIZE);
}

int rs_encode(const struct rs *rs, const uint8_t *const data[], uint8_t *const parity[],
              size_t size, struct err *err)
{
    for (unsigned i = 0; i < rs->k; i++)
        if (data[i] == NULL)
            return err_set(err, ERR_TOO_FEW, "data row %u is not there", i);
    for (unsigned i = 0; i < rs->m; i++)
        if (parity[i] == NULL)
            return err_set(err, ERR_INVALID, "parity row %u has no place", i);
    combine(rs->matrix, rs->k, rs->m, data, parity, size);
    return 0;
}

/* inverse[k][k]: how each data row follows from the rows `sources`. */
static int invert(uint8_t *inverse, const struct rs *rs, const unsigned sources[], struct err *err)
{
    size_t cells = (size_t)rs->k * rs->k;
    int *square = alloc_zero(cells, sizeof(int));
    int *inverted = alloc_zero(cells, sizeof(int));
    for (unsigned row = 0; row < rs->k; row++)
        for (unsigned column = 0; column < rs->k; column++)
            square[row * rs->k + column] =
                sources[row] < rs->k ? sources[row] == column
                                     : rs->matrix[(sources[row] - rs->k) * rs->k + column];
    int result = 0;
    if (jerasure_invert_matrix(square, inverted, (int)rs->k, FIELD_BITS) != 0)
        result = err_set(err, ERR_INVALID, "these %u rows do not determine the data", rs->k);
    else
        for (size_t i = 0; i < cells; i++)
            inverse[i] = (uint8_t)inverted[i];
    free(square);
    free(inverted);
    return result;
}

static int check_sources(const struct rs *rs, const unsigned sources[], struct err *err)
{
    bool seen[RS_TOTAL_MAX] = {false};
    for (unsigned i = 0; i < rs->k; i++) {
        if (sources[i] >= rs->k + rs->m || seen[sources[i]])
            return err_set(err, ERR_INVALID, "row %u is given twice or does not exist", sources[i]);
        seen[sources[i]] = true;
    }
    return 0;
}

int rs_solve(struct rs_solution **solution, const struct rs *rs, const unsigned sources[],
             const unsigned wanted[], unsigned wanted_count, struct err *err)
{
    *solution = NULL;
    if (check_sources(rs, sources, err) != 0)
        return -1;
    if (wanted_count > rs->k + rs->m)
        return err_set(err, ERR_INVALID, "%u rows wanted of %u", wanted_count, rs->k + rs->m);
    for (unsigned i = 0; i < wanted_count; i++)
        if (wanted[i] >= rs->k + rs->m)
            return err_set(err, ERR_INVALID, "row %u does not exist", wanted[i]);
    uint8_t *inverse = alloc_zero(rs->k, rs->k);
    if (invert(inverse, rs, sources, err) != 0) {
        free(inverse);
        return -1;
    }
    struct rs_solution *made = alloc_zero(1, sizeof(*made) + (size_t)wanted_count * rs->k);
    made->in_count = rs->k;
    made->out_count = wanted_count;
    for (unsigned w = 0; w < wanted_count; w++) {
        uint8_t *row = made->matrix + (size_t)w * rs->k;
        if (wanted[w] < rs->k) {
            memcpy(row, inverse + (size_t)wanted[w] * rs->k, rs->k);
            continue;
        }
        for (unsigned data = 0; data < rs->k; data++)
            for (unsigned source = 0; source < rs->k; source++)
                row[source] ^= multiply(rs_coefficient(rs, wanted[w] - rs->k, data),
                                        inverse[(size_t)data * rs->k + source]);
    }
    free(inverse);
    *solution = made;
    return 0;
}

void rs_apply(const struct rs_solution *solution, const uint8_t *const in[], uint8_t *const out[],
              size_t size)
{
    combine(solution->matrix, solution->in_count, solution->out_count, in, out, size);
}

void rs_solution_destroy(struct rs_solution **solution)
{
    free(*solution);
    *solution = NULL;
}

/* The first k rows that are there, but for `except`: data rows come first, and cost nothing. */
static int choose(const struct rs *rs, const uint8_t *const rows[], unsigned except,
                  unsigned sources[], const uint8_t *in[], struct err *err)
{
    unsigned count = 0;
    for (unsigned i = 0; i < rs->k + rs->m && count < rs->k; i++) {
        if (rows[i] == NULL || i == except)
            continue;
        in[count] = rows[i];
        sources[count++] = i;
    }
    if (count < rs->k)
        return err_set(err, ERR_TOO_FEW, "%u rows are there and %u are needed", count, rs->k);
    return 0;
}

static int restore(const struct rs *rs, const uint8_t *const rows[], unsigned except,
                   const unsigned wanted[], uint8_t *const out[], unsigned count, size_t size,
                   struct err *err)
{
    unsigned sources[RS_TOTAL_MAX];
    const uint8_t *in[RS_TOTAL_MAX] = {NULL};
    struct rs_solution *solution = NULL;
    if (choose(rs, rows, except, sources, in, err) != 0)
        return -1;
    if (count == 0)
        return 0;
    if (rs_solve(&solution, rs, sources, wanted, count, err) != 0)
        return -1;
    rs_apply(solution, in, out, size);
    rs_solution_destroy(&solution);
    return 0;
}

int rs_decode(const struct rs *rs, const uint8_t *const rows[], uint8_t *const lost[], size_t size,
              struct err *err)
{
    unsigned wanted[RS_TOTAL_MAX];
    uint8_t *out[RS_TOTAL_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < rs->k; i++) {
        if (rows[i] != NULL || lost[i] == NULL)
            continue;
        wanted[count] = i;
        out[count++] = lost[i];
    }
    return restore(rs, rows, RS_TOTAL_MAX, wanted, out, count, size, err);
}

int rs_rebuild(const struct rs *rs, const uint8_t *const rows[], unsigned index, uint8_t *row,
               size_t size, struct err *err)
{
    if (index >= rs->k + rs->m)
        return err_set(err, ERR_INVALID, "row %u does not exist", index);
    return restore(rs, rows, index, &index, &row, 1, size, err);
}
