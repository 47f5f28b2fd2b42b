/* The erasure code: every pattern of loss for small shapes, random ones for large, odd sizes, odd
 * alignments, and the golden matrix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/base/hash.h"
#include "coding/rs.h"
#include "test/coding_sample.h"

#define GUARD 64 /* bytes after each row that nobody may touch */

/* Each test sets it, so that a failure repeats. */
static uint64_t seed;

static uint32_t next_random(void)
{
    return sample_next(&seed);
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)next_random();
}

/* k + m rows of `size` bytes, each `shift` bytes off alignment, encoded; and room for decoded ones.
 */
struct sample {
    struct rs *rs;
    unsigned k, m;
    size_t size;
    uint8_t *memory[RS_TOTAL_MAX];
    uint8_t *room[RS_TOTAL_MAX];
    const uint8_t *rows[RS_TOTAL_MAX];
    uint8_t *out[RS_TOTAL_MAX];
};

static void sample_init(struct sample *s, unsigned k, unsigned m, size_t size, size_t shift)
{
    struct err err = ERR_INIT;
    uint8_t *parity[RS_TOTAL_MAX];
    *s = (struct sample){.k = k, .m = m, .size = size};
    assert_int_equal(rs_new(&s->rs, k, m, &err), 0);
    for (unsigned i = 0; i < k + m; i++) {
        s->memory[i] = alloc_large(size + shift + GUARD, &err);
        s->room[i] = alloc_large(size + shift + GUARD, &err);
        assert_non_null(s->memory[i]);
        assert_non_null(s->room[i]);
        memset(s->memory[i] + shift + size, 0xa5, GUARD);
        memset(s->room[i] + shift + size, 0xa5, GUARD);
        s->rows[i] = s->memory[i] + shift;
        s->out[i] = s->room[i] + shift;
        if (i < k)
            fill(s->memory[i] + shift, size);
        else
            parity[i - k] = s->memory[i] + shift;
    }
    assert_int_equal(rs_encode(s->rs, s->rows, parity, size, &err), 0);
}

static void sample_release(struct sample *s)
{
    for (unsigned i = 0; i < s->k + s->m; i++) {
        for (size_t g = 0; g < GUARD; g++) {
            assert_int_equal(s->rows[i][s->size + g], 0xa5);
            assert_int_equal(s->out[i][s->size + g], 0xa5);
        }
        free(s->memory[i]);
        free(s->room[i]);
    }
    rs_destroy(&s->rs);
}

/* Loses the rows of the pattern, decodes, and rebuilds one of them. */
static void check_pattern(struct sample *s, const bool lost[])
{
    struct err err = ERR_INIT;
    const uint8_t *left[RS_TOTAL_MAX] = {NULL};
    unsigned last_lost = RS_TOTAL_MAX;
    for (unsigned i = 0; i < s->k + s->m; i++) {
        left[i] = lost[i] ? NULL : s->rows[i];
        if (lost[i])
            last_lost = i;
        if (lost[i])
            memset(s->out[i], 0x5a, s->size);
    }
    assert_int_equal(rs_decode(s->rs, left, s->out, s->size, &err), 0);
    for (unsigned i = 0; i < s->k; i++)
        if (lost[i])
            assert_memory_equal(s->out[i], s->rows[i], s->size);
    if (last_lost == RS_TOTAL_MAX)
        return;
    memset(s->out[last_lost], 0x5a, s->size);
    assert_int_equal(rs_rebuild(s->rs, left, last_lost, s->out[last_lost], s->size, &err), 0);
    assert_memory_equal(s->out[last_lost], s->rows[last_lost], s->size);
}

static void gives_back_the_data_for_every_loss_of_every_shape_up_to_ten_rows(void **state)
{
    (void)state;
    seed = 1;
    for (unsigned k = 1; k < 10; k++) {
        for (unsigned m = 1; k + m <= 10; m++) {
            struct sample s;
            sample_init(&s, k, m, 128, 0);
            for (unsigned pattern = 0; pattern < 1u << (k + m); pattern++) {
                bool lost[RS_TOTAL_MAX];
                if ((unsigned)__builtin_popcount(pattern) > m)
                    continue;
                for (unsigned i = 0; i < k + m; i++)
                    lost[i] = pattern >> i & 1;
                check_pattern(&s, lost);
            }
            sample_release(&s);
        }
    }
}

static void lose_at_random(struct sample *s, unsigned count)
{
    bool lost[RS_TOTAL_MAX] = {false};
    for (unsigned done = 0; done < count;) {
        unsigned row = next_random() % (s->k + s->m);
        if (lost[row])
            continue;
        lost[row] = true;
        done++;
    }
    check_pattern(s, lost);
}

static void gives_back_the_data_for_random_losses_of_wide_shapes(void **state)
{
    (void)state;
    static const unsigned shapes[][2] = {{20, 10}, {64, 32}, {10, 64}, {33, 1}, {1, 33}, {50, 45}};
    seed = 2;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct sample s;
        sample_init(&s, shapes[i][0], shapes[i][1], 512, 0);
        for (unsigned run = 0; run < 12; run++)
            lose_at_random(&s, run < 6 ? s.m : next_random() % (s.m + 1));
        sample_release(&s);
    }
}

static void gives_back_the_data_for_random_shapes_up_to_64_and_32(void **state)
{
    (void)state;
    seed = 3;
    for (unsigned run = 0; run < 40; run++) {
        struct sample s;
        sample_init(&s, 1 + next_random() % 64, 1 + next_random() % 32, next_random() % 300,
                    next_random() % 20);
        lose_at_random(&s, s.m);
        sample_release(&s);
    }
}

static void works_for_every_size_around_its_blocks(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,    1,     3,     4,     5,     15,    16,    17,
                                   63,   64,    65,    4095,  4096,  4097,  8191,  8192,
                                   8193, 16383, 16384, 16385, 65535, 65536, 65537, 3000000};
    seed = 4;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sample s;
        sample_init(&s, 4, 2, sizes[i], 0);
        lose_at_random(&s, 2);
        lose_at_random(&s, 2);
        sample_release(&s);
    }
}

static void works_for_buffers_at_any_alignment(void **state)
{
    (void)state;
    seed = 5;
    for (size_t shift = 0; shift < 18; shift++) {
        struct sample s;
        sample_init(&s, 4, 2, 9001, shift);
        for (unsigned i = 0; i < 6; i += 2) /* and differing from each other */
            s.out[i] += shift % 3;
        lose_at_random(&s, 2);
        for (unsigned i = 0; i < 6; i += 2)
            s.out[i] -= shift % 3;
        for (unsigned i = 0; i < 6; i++)
            memset(s.out[i] + s.size, 0xa5, GUARD);
        sample_release(&s);
    }
}

/* The same bytes whatever the alignment: the two ways through the code agree. */
static void alignment_does_not_change_the_parity(void **state)
{
    (void)state;
    struct sample straight, crooked;
    seed = 6;
    sample_init(&straight, 5, 3, 5000, 0);
    seed = 6;
    sample_init(&crooked, 5, 3, 5000, 7);
    for (unsigned i = 0; i < 8; i++)
        assert_memory_equal(straight.rows[i], crooked.rows[i], 5000);
    sample_release(&straight);
    sample_release(&crooked);
}

/* Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, a bit at a time: no library in it. */
static uint8_t slow_multiply(uint8_t a, uint8_t b)
{
    unsigned product = 0, shifted = a;
    for (unsigned bit = 0; bit < 8; bit++, shifted <<= 1) {
        if (shifted & 0x100)
            shifted ^= 0x11d;
        if (b >> bit & 1)
            product ^= shifted;
    }
    return (uint8_t)product;
}

static void parity_is_the_matrix_times_the_data(void **state)
{
    (void)state;
    struct sample s;
    seed = 7;
    sample_init(&s, 10, 4, 777, 0);
    for (unsigned p = 0; p < 4; p++)
        for (size_t at = 0; at < s.size; at++) {
            uint8_t sum = 0;
            for (unsigned d = 0; d < 10; d++)
                sum ^= slow_multiply(rs_coefficient(s.rs, p, d), s.rows[d][at]);
            assert_int_equal(sum, s.rows[10 + p][at]);
        }
    sample_release(&s);
}

static void assert_matrix(unsigned k, unsigned m, const char *golden)
{
    struct err err = ERR_INIT;
    struct rs *rs = NULL;
    uint8_t numbers[64];
    char text[2 * sizeof(numbers) + 1];
    assert_int_equal(rs_new(&rs, k, m, &err), 0);
    for (unsigned p = 0; p < m; p++)
        for (unsigned d = 0; d < k; d++)
            numbers[p * k + d] = rs_coefficient(rs, p, d);
    assert_string_equal(hex_encode(text, numbers, (size_t)k * m), golden);
    rs_destroy(&rs);
}

/* Stored data depends on these numbers. If this fails, the library changed: never the test. */
static void the_golden_matrices_hold(void **state)
{
    (void)state;
    assert_matrix(1, 2, "0101");
    assert_matrix(4, 1, "01010101");
    assert_matrix(2, 2, "0101018f");
    assert_matrix(4, 2, "0101010101468fc8");
    assert_matrix(8, 3, "01010101010101010137274954b5e1d901ac46eb8f22c865");
    assert_matrix(
        10, 4, "0101010101010101010101938a495da1673a63b201679c977bbba6aff45301dca67b528ff528a77a");
}

/* One hash over the matrices of many shapes. */
static void the_golden_hash_of_all_matrices_holds(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    uint8_t *all = alloc_zero(1, 1 << 20), hash[HASH_SIZE];
    char text[2 * HASH_SIZE + 1];
    size_t used = 0;
    for (unsigned k = 1; k <= 24; k++) {
        for (unsigned m = 1; m <= 12; m++) {
            struct rs *rs = NULL;
            assert_int_equal(rs_new(&rs, k, m, &err), 0);
            for (unsigned p = 0; p < m; p++)
                for (unsigned d = 0; d < k; d++)
                    all[used++] = rs_coefficient(rs, p, d);
            rs_destroy(&rs);
        }
    }
    hash_bytes(hash, "matrices", all, used);
    assert_string_equal(hex_encode(text, hash, HASH_SIZE),
                        "a3b3c83f04a5fa1b8492cc4696051442478dfb1e8f887bcb874c29abf0857c6c");
    free(all);
}

static void one_lost_row_more_than_parity_is_too_few(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct sample s;
    seed = 8;
    sample_init(&s, 4, 2, 64, 0);
    const uint8_t *left[] = {NULL, s.rows[1], NULL, s.rows[3], NULL, s.rows[5]};
    assert_int_equal(rs_decode(s.rs, left, s.out, 64, &err), -1);
    assert_int_equal(err.code, ERR_TOO_FEW);
    assert_string_equal(err.text, "3 rows are there and 4 are needed");
    left[0] = s.rows[0];
    assert_int_equal(rs_rebuild(s.rs, left, 0, s.out[0], 64, &err), -1);
    assert_int_equal(err.code, ERR_TOO_FEW);
    sample_release(&s);
}

static void impossible_shapes_and_rows_are_refused(void **state)
{
    (void)state;
    static const unsigned shapes[][2] = {{0, 1}, {1, 0}, {255, 1}, {128, 128}, {~0u, 2}, {2, ~0u}};
    struct err err = ERR_INIT;
    struct rs *rs = NULL;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        err.code = ERR_NONE;
        assert_int_equal(rs_new(&rs, shapes[i][0], shapes[i][1], &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(rs);
    }
    struct rs_solution *solution = NULL;
    assert_int_equal(rs_new(&rs, 2, 1, &err), 0);
    assert_int_equal(rs_solve(&solution, rs, (unsigned[]){1, 1}, (unsigned[]){0}, 1, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(rs_solve(&solution, rs, (unsigned[]){1, 3}, (unsigned[]){0}, 1, &err), -1);
    assert_int_equal(rs_solve(&solution, rs, (unsigned[]){1, 2}, (unsigned[]){3}, 1, &err), -1);
    assert_int_equal(rs_rebuild(rs, (const uint8_t *[]){NULL, NULL, NULL}, 3, NULL, 0, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(solution);
    rs_destroy(&rs);
}

static void the_widest_shapes_work(void **state)
{
    (void)state;
    static const unsigned shapes[][2] = {{254, 1}, {1, 254}, {128, 127}};
    seed = 9;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct sample s;
        sample_init(&s, shapes[i][0], shapes[i][1], 64, 0);
        lose_at_random(&s, s.m);
        sample_release(&s);
    }
}

static void *code_in_a_thread(void *arg)
{
    struct rs *rs = arg;
    _Alignas(64) uint8_t rows[6][256], again[256];
    const uint8_t *in[6] = {rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]};
    for (unsigned run = 0; run < 200; run++) {
        for (unsigned i = 0; i < 4; i++)
            memset(rows[i], (int)(run * 7 + i), sizeof(rows[i]));
        in[1] = rows[1];
        if (rs_encode(rs, in, (uint8_t *[]){rows[4], rows[5]}, 256, NULL) != 0)
            return arg;
        in[1] = NULL;
        if (rs_rebuild(rs, in, 1, again, 256, NULL) != 0 || memcmp(again, rows[1], 256) != 0)
            return arg;
    }
    return NULL;
}

static void threads_share_one_code(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct rs *rs = NULL;
    pthread_t threads[4];
    assert_int_equal(rs_new(&rs, 4, 2, &err), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, code_in_a_thread, rs), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    rs_destroy(&rs);
}

static int set_up(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int first = rs_setup(&err);
    return first != 0 || rs_setup(&err) != 0; /* the second call does nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_the_data_for_every_loss_of_every_shape_up_to_ten_rows),
        cmocka_unit_test(gives_back_the_data_for_random_losses_of_wide_shapes),
        cmocka_unit_test(gives_back_the_data_for_random_shapes_up_to_64_and_32),
        cmocka_unit_test(works_for_every_size_around_its_blocks),
        cmocka_unit_test(works_for_buffers_at_any_alignment),
        cmocka_unit_test(alignment_does_not_change_the_parity),
        cmocka_unit_test(parity_is_the_matrix_times_the_data),
        cmocka_unit_test(the_golden_matrices_hold),
        cmocka_unit_test(the_golden_hash_of_all_matrices_holds),
        cmocka_unit_test(one_lost_row_more_than_parity_is_too_few),
        cmocka_unit_test(impossible_shapes_and_rows_are_refused),
        cmocka_unit_test(the_widest_shapes_work),
        cmocka_unit_test(threads_share_one_code),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
