/* bench_coding - how fast coding/ codes, beside ISA-L with the same matrix and memcpy, in one run.
 *
 * GB/s of data (k rows) on one core. The contenders of a row take turns, so that a busy machine slows
 * all of them; each figure is the median of its turns, in processor time, and the ratio to ISA-L the
 * median of the ratios of each turn. Only that ratio means something on another machine, and only it
 * has a target.
 *
 *   bench_coding [turns]    more turns, steadier figures (default 15) */
#include <isa-l/erasure_code.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/fragment_bundle.h"
#include "coding/rs.h"
#include "test/bench_base.h"
#include "test/coding_sample.h"
#include "test/fragment_set.h"

#define ROW_SIZE  ((size_t)1 << 20)
#define ROWS_MAX  32
#define TURNS_MAX 1001
#define PACK_SIZE ((size_t)16 << 20)

static const struct {
    unsigned k, m;
    double target; /* of encode: our GB/s over ISA-L's */
} shapes[] = {{4, 2, 0.6}, {8, 3, 0.45}, {10, 4, 0.42}, {20, 10, 0.38}};

static int turns = 15;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One thing to measure: run(context) handles `bytes` bytes. */
struct contender {
    void (*run)(void *context);
    void *context;
    double bytes;
    double seconds[TURNS_MAX];
};

static double median(double *values)
{
    qsort(values, (size_t)turns, sizeof(double), compare);
    return values[turns / 2];
}

/* Median GB/s of each, all taking turns; returns the median of the second's time over the first's. */
static double race(struct contender *all, size_t count, double *speed)
{
    double ratios[TURNS_MAX];
    for (size_t c = 0; c < count; c++)
        all[c].run(all[c].context);
    for (int turn = 0; turn < turns; turn++)
        for (size_t c = 0; c < count; c++) {
            double start = now();
            all[c].run(all[c].context);
            all[c].seconds[turn] = now() - start;
        }
    for (int turn = 0; turn < turns; turn++)
        ratios[turn] = all[1].seconds[turn] / all[0].seconds[turn];
    for (size_t c = 0; c < count; c++)
        speed[c] = all[c].bytes / median(all[c].seconds) / 1e9;
    return median(ratios);
}

/* ---- the erasure code --------------------------------------------------------------------------------- */

struct code_bench {
    unsigned k, m;
    struct rs *rs;
    uint8_t *rows[ROWS_MAX];       /* data, parity */
    uint8_t *out[ROWS_MAX];        /* where decoded rows and copies go */
    uint8_t *isal[ROWS_MAX];       /* the same for ISA-L */
    const uint8_t *left[ROWS_MAX]; /* rows[] with the first min(k, m) data rows lost */
    unsigned lost;
    uint8_t *matrix;            /* [k + m][k], identity first */
    uint8_t *tables;            /* ISA-L's, for what is measured */
    uint8_t *sources[ROWS_MAX]; /* the k rows that ISA-L reads */
};

static void our_encode(void *context)
{
    struct code_bench *b = context;
    struct err err = ERR_INIT;
    must(rs_encode(b->rs, (const uint8_t *const *)b->rows, b->rows + b->k, ROW_SIZE, &err), &err);
}

static void our_decode(void *context)
{
    struct code_bench *b = context;
    struct err err = ERR_INIT;
    must(rs_decode(b->rs, b->left, b->out, ROW_SIZE, &err), &err);
}

static void our_rebuild(void *context)
{
    struct code_bench *b = context;
    struct err err = ERR_INIT;
    must(rs_rebuild(b->rs, b->left, 0, b->out[0], ROW_SIZE, &err), &err);
}

static void isal_encode(void *context)
{
    struct code_bench *b = context;
    ec_encode_data((int)ROW_SIZE, (int)b->k, (int)b->m, b->tables, b->sources, b->isal + b->k);
}

static void isal_decode(void *context)
{
    struct code_bench *b = context;
    ec_encode_data((int)ROW_SIZE, (int)b->k, (int)b->lost, b->tables, b->sources, b->isal);
}

static void isal_rebuild(void *context)
{
    struct code_bench *b = context;
    ec_encode_data((int)ROW_SIZE, (int)b->k, 1, b->tables, b->sources, b->isal);
}

static void copy(void *context)
{
    struct code_bench *b = context;
    for (unsigned i = 0; i < b->k; i++)
        memcpy(b->out[i], b->rows[i], ROW_SIZE);
}

/* ISA-L's tables to compute the lost data rows from the first k rows left. */
static void prepare_isal_decode(struct code_bench *b)
{
    uint8_t square[ROWS_MAX * ROWS_MAX], inverse[ROWS_MAX * ROWS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < b->k + b->m && count < b->k; i++) {
        if (b->left[i] == NULL)
            continue;
        memcpy(square + (size_t)count * b->k, b->matrix + (size_t)i * b->k, b->k);
        b->sources[count++] = b->rows[i];
    }
    if (gf_invert_matrix(square, inverse, (int)b->k) != 0)
        abort();
    ec_init_tables((int)b->k, (int)b->lost, inverse, b->tables);
}

static void code_bench_init(struct code_bench *b, unsigned k, unsigned m)
{
    struct err err = ERR_INIT;
    *b = (struct code_bench){.k = k, .m = m, .lost = k < m ? k : m};
    must(rs_new(&b->rs, k, m, &err), &err);
    b->matrix = alloc_zero(k + m, k);
    b->tables = alloc_zero((size_t)k * m, 32);
    for (unsigned i = 0; i < k + m; i++) {
        uint8_t **places[] = {&b->rows[i], &b->out[i], &b->isal[i]};
        for (size_t p = 0; p < 3; p++) {
            *places[p] = alloc_large(ROW_SIZE, &err);
            must(*places[p] == NULL ? -1 : 0, &err);
            sample_fill(*places[p], ROW_SIZE, i);
        }
        for (unsigned j = 0; j < k; j++)
            b->matrix[i * k + j] = i < k ? i == j : rs_coefficient(b->rs, i - k, j);
        b->left[i] = i < b->lost ? NULL : b->rows[i];
    }
}

static void code_bench_release(struct code_bench *b)
{
    for (unsigned i = 0; i < b->k + b->m; i++) {
        free(b->rows[i]);
        free(b->out[i]);
        free(b->isal[i]);
    }
    free(b->matrix);
    free(b->tables);
    rs_destroy(&b->rs);
}

static void report(const struct code_bench *b, const char *job, void (*ours)(void *),
                   void (*isal)(void *), double target)
{
    double speed[3], bytes = (double)b->k * (double)ROW_SIZE;
    static struct contender all[3];
    all[0] = (struct contender){.run = ours, .context = (void *)b, .bytes = bytes};
    all[1] = (struct contender){.run = isal, .context = (void *)b, .bytes = bytes};
    all[2] = (struct contender){.run = copy, .context = (void *)b, .bytes = bytes};
    double ratio = race(all, 3, speed);
    printf("%3u+%-3u %-9s %8.2f %8.2f %8.2f %8.2f", b->k, b->m, job, speed[0], speed[1], speed[2],
           ratio);
    if (target > 0)
        printf("   %.2f %s", target, ratio >= target ? "reached" : "MISSED");
    printf("\n");
}

static void same(uint8_t *const ours[], uint8_t *const theirs[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(ours[i], theirs[i], ROW_SIZE) == 0)
            continue;
        fprintf(stderr, "bench_coding: ISA-L computes other bytes\n");
        exit(1);
    }
}

static void bench_code(unsigned k, unsigned m, double target)
{
    struct code_bench b;
    code_bench_init(&b, k, m);
    memcpy(b.sources, b.rows, k * sizeof(b.rows[0]));
    ec_init_tables((int)k, (int)m, b.matrix + (size_t)k * k, b.tables);
    report(&b, "encode", our_encode, isal_encode, target);
    same(b.rows + k, b.isal + k, m);
    prepare_isal_decode(&b);
    report(&b, "decode", our_decode, isal_decode, 0);
    our_decode(&b); /* the copies went to the same place */
    same(b.rows, b.out, b.lost);
    same(b.rows, b.isal, b.lost);
    report(&b, "rebuild", our_rebuild, isal_rebuild, 0);
    code_bench_release(&b);
}

/* ---- hashing, and the whole way of a pack --------------------------------------------------------------- */

struct pack_bench {
    uint8_t *pack, *out;
    uint8_t leaves[(PACK_SIZE / HASH_TREE_LEAF_SIZE) * HASH_SIZE];
    unsigned k, m;
    struct fragment_set set;
    struct fragment fragments[ROWS_MAX];
    struct object_row rows[ROWS_MAX]; /* the first m data rows lost */
};

static void hash_leaves(void *context)
{
    struct pack_bench *b = context;
    hash_tree_leaves(b->leaves, b->pack, PACK_SIZE);
}

static void encode_pack(void *context)
{
    struct pack_bench *b = context;
    struct err err = ERR_INIT;
    struct fragment_set set;
    must(fragment_set_encode(&set, b->pack, PACK_SIZE, b->k, b->m, &err), &err);
    fragment_set_release(&set);
}

static void verify_fragments(void *context)
{
    struct pack_bench *b = context;
    struct err err = ERR_INIT;
    for (unsigned i = 0; i < b->k; i++)
        must(fragment_verify(&b->fragments[b->m + i], &err), &err);
}

static void decode_pack(void *context)
{
    struct pack_bench *b = context;
    struct err err = ERR_INIT;
    must(object_decode(&b->set.object, b->rows, b->out, &err), &err);
}

static void rebuild_fragment(void *context)
{
    struct pack_bench *b = context;
    struct err err = ERR_INIT;
    uint8_t *bytes = NULL;
    must(fragment_rebuild(&b->set.object, b->rows, 0, &bytes, &err), &err);
    free(bytes);
}

static void say(const char *job, double speed)
{
    printf("        %-44s %8.2f GB/s %8.2f ms for 16 MiB\n", job, speed,
           (double)PACK_SIZE / speed / 1e6);
}

static void bench_pack(unsigned k, unsigned m)
{
    struct err err = ERR_INIT;
    static struct pack_bench b;
    static struct contender all[5];
    void (*const jobs[])(void *) = {hash_leaves, encode_pack, verify_fragments, decode_pack,
                                    rebuild_fragment};
    const char *const names[] = {
        "leaf hashes",          "pack to fragments: code, hash, prove",
        "k fragments verified", "fragments to pack, m data rows lost",
        "one fragment rebuilt",
    };
    double speed[5];
    b = (struct pack_bench){.k = k, .m = m, .pack = sample_bytes(PACK_SIZE)};
    must(fragment_set_encode(&b.set, b.pack, PACK_SIZE, k, m, &err), &err);
    for (unsigned i = 0; i < k + m; i++) {
        must(fragment_parse(&b.fragments[i], b.set.bytes[i], b.set.size, &err), &err);
        if (i >= m)
            b.rows[i] = (struct object_row){b.fragments[i].row, b.fragments[i].leaves};
    }
    b.out = alloc_large(object_pack_room(&b.set.object.shape), &err);
    must(b.out == NULL ? -1 : 0, &err);
    for (size_t i = 0; i < 5; i++)
        all[i] = (struct contender){.run = jobs[i], .context = &b, .bytes = (double)PACK_SIZE};
    race(all, 5, speed);
    printf("\n%3u+%-3u a pack of 16 MiB, one core\n", k, m);
    for (size_t i = 0; i < 5; i++)
        say(names[i], speed[i]);
    free(b.out);
    free(b.pack);
    fragment_set_release(&b.set);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc > 1)
        turns = (int)strtol(argv[1], NULL, 10);
    if (turns < 1 || turns >= TURNS_MAX || sodium_init() < 0) {
        fprintf(stderr, "usage: bench_coding [turns, 1 to %d]\n", TURNS_MAX - 1);
        return 2;
    }
    must(rs_setup(&err), &err);
    printf("GB/s of data, rows of 1 MiB, one core\n");
    printf("%3s+%-3s %-9s %8s %8s %8s %8s   target\n", "k", "m", "", "ecbak", "ISA-L", "memcpy",
           "/ISA-L");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        bench_code(shapes[i].k, shapes[i].m, shapes[i].target);
    bench_pack(4, 2);
    bench_pack(10, 4);
    return 0;
}
