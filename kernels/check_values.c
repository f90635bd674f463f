/* Second part of the self-test: stated values of every kernel and inline function that is not a
   dense layer. */
#include "tqs_kernels.h"
#include "tqs_lut.h"
#include "tqs_power.h"
#include "tqs_rows.h"
#include "tqs_table.h"

int32_t check_values(int16_t canary);

enum { UNIT = 1 << 30 }; /* multiplier of the factor 1 with a shift of 30 */

/* Elements that differ, and a word after them that must be CANARY. */
static int32_t differing(const int16_t *y, const int16_t *want, int32_t count, int16_t canary) {
    int32_t failures = y[count] != canary;
    for (int32_t i = 0; i < count; ++i)
        failures += y[i] != want[i];
    return failures;
}

static int32_t check_powers(void) {
    int32_t failures = 0;
    int16_t logarithms[129];
    for (int32_t k = 0; k <= 128; ++k)
        logarithms[k] = (int16_t)(k < 128 ? k * 256 : 32767); /* linear between powers of two */
    failures += tqs_leading_zeros(1) != 31 || tqs_leading_zeros(UINT32_MAX) != 0;
    failures += tqs_divide_s16(100, 7, UNIT, 30) != 14 || tqs_divide_s16(-100, 7, UNIT, 30) != -14;
    failures += tqs_divide_s16(3, 32767, UNIT, 16) != 2; /* 3 * 2^14 / 32767 */
    failures += tqs_divide_s16(-5, 0, UNIT, 30) != -5;   /* a divisor below 1 is 1 */
    failures += tqs_divide_s16(32767, 1, UNIT, 28) != 32767;
    failures += tqs_reciprocal_s16(2, UNIT, 30) != 8192 || tqs_reciprocal_s16(3, UNIT, 30) != 5461;
    failures += tqs_sqrt_s16(16384, UNIT, 30) != 128 || tqs_sqrt_s16(30000, UNIT, 30) != 173;
    failures += tqs_sqrt_s16(-4, UNIT, 30) != 0;
    failures += tqs_rsqrt_s16(4, UNIT, 16) != 8192 || tqs_rsqrt_s16(0, UNIT, 16) != 16384;
    failures += tqs_log_s16(8, logarithms, 1 << 20, 0, 32) != 3 << 11;
    failures += tqs_log_s16(1, logarithms, 1 << 20, INT64_C(7) << 32, 32) != 7;
    failures += tqs_log_s16(12, logarithms, 1 << 20, 0, 32) != 7 << 10;
    return failures;
}

static int32_t check_tables(void) {
    static const int16_t knots[3] = {0, 100, 400}; /* at -8, 0 and 8 */
    int32_t failures = 0;
    int16_t turn[257];
    for (int32_t k = 0; k <= 256; ++k)
        turn[k] = (int16_t)(k * 100);
    failures += tqs_table_s16(-100, knots, 2, -8, 3) != 0;
    failures += tqs_table_s16(-4, knots, 2, -8, 3) != 50;
    failures += tqs_table_s16(0, knots, 2, -8, 3) != 100;
    failures += tqs_table_s16(4, knots, 2, -8, 3) != 250;
    failures += tqs_table_s16(100, knots, 2, -8, 3) != 400;
    failures += tqs_wave_s16(3, turn, 1 << 24) != 300 || tqs_wave_s16(-1, turn, 1 << 24) != 25500;
    failures += tqs_wave_s16(1, turn, 1 << 23) != 50;
    failures += tqs_tanh_s16(0, 12) != 0 || tqs_tanh_s16(4096, 12) + tqs_tanh_s16(-4096, 12) != 0;
    failures += tqs_tanh_s16(32767, 8) != tqs_tanh_table[256];
    failures += tqs_sigmoid_s16(0, 12) != 16384 || tqs_sigmoid_s16(32767, 8) != 32767;
    return failures;
}

static int32_t check_rows(int16_t canary) {
    static const int16_t equal[4] = {-7, -7, -7, -7}, quarters[4] = {8192, 8192, 8192, 8192};
    static const int16_t far[2] = {32767, -32768}, one[2] = {32767, 0};
    /* Eight LSBs are a factor of 2; half of that, by a linear table, is a factor of 3/4. */
    static const int16_t twice[2] = {8, 0}, thirds[2] = {21845, 10923};
    static const int16_t nearer[2] = {4, 0}, sevenths[2] = {18725, 14043};
    static const int16_t spread[4] = {300, 100, -100, -300};
    static const int16_t normal[4] = {16384, -16384, 16384, -16384}, deviations[2] = {200, 200};
    int16_t table[129], y[5] = {0, 0, 0, 0, 0};
    int32_t failures = 0;
    for (int32_t k = 0; k <= 128; ++k)
        table[k] = (int16_t)(k < 128 ? k * 256 : 32767);
    y[4] = canary;
    tqs_softmax_s16(equal, table, UNIT, 32, 29, y, 1, 4);
    failures += differing(y, quarters, 4, canary);
    y[2] = canary;
    tqs_softmax_s16(far, table, UNIT, 32, 30, y, 1, 2);
    failures += differing(y, one, 2, canary);
    tqs_softmax_s16(twice, table, UNIT, 32, 30, y, 1, 2);
    failures += differing(y, thirds, 2, canary);
    tqs_softmax_s16(nearer, table, UNIT, 32, 30, y, 1, 2);
    failures += differing(y, sevenths, 2, canary);
    tqs_deviation_s16(spread, 1, UNIT, 30, y, 2, 2);
    failures += differing(y, deviations, 2, canary);
    tqs_normalize_s16(spread, 1, UNIT, 16, y, 2, 2);
    failures += differing(y, normal, 4, canary);
    return failures;
}

static int32_t check_matmul(int16_t canary) {
    static const int16_t a[4] = {4, 8, 12, 16}, b[8] = {5, 6, 7, 8, 2, 0, 0, 1};
    /* a times each half of b, over 4 */
    static const int16_t want[8] = {19, 22, 43, 50, 2, 2, 6, 4};
    int16_t y[9];
    y[8] = canary;
    tqs_matmul_s16(a, b, UNIT, 32, y, 2, 0, 4, 2, 2, 2);
    return differing(y, want, 8, canary);
}

static int32_t check_moves(int16_t canary) {
    static const int16_t rows[2] = {7, 8}, pushed[6] = {3, 4, 5, 6, 7, 8};
    static const int8_t rows8[1] = {-9};
    static const int16_t f[3] = {8, -8, 32767}, stepped[3] = {3, 0, 32767};
    int16_t window[7] = {1, 2, 3, 4, 5, 6, canary}, x[4] = {1, 2, 32767, canary};
    int8_t narrow[3] = {1, 2, 3};
    int32_t failures = 0;
    tqs_push_rows_s16(window, rows, window, 4, 2);
    failures += differing(window, pushed, 6, canary);
    tqs_push_rows_s8(narrow, rows8, narrow, 2, 1);
    failures += narrow[0] != 2 || narrow[1] != 3 || narrow[2] != -9;
    for (int16_t i = 0; i < 6; ++i)
        window[i] = (int16_t)(i + 1);
    tqs_window_push_s16(window, rows, 3, 2, 1);
    failures += differing(window, pushed, 6, canary);
    tqs_residual_update_s16(x, f, UNIT, 32, x, 3);
    return failures + differing(x, stepped, 3, canary);
}

/* The number of stated values that were not met. */
int32_t check_values(int16_t canary) {
    return check_powers() + check_tables() + check_rows(canary) + check_matmul(canary) +
           check_moves(canary);
}
