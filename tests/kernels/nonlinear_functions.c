/* The inline functions of tqs_power.h and tqs_table.h over arrays. */
#include "tqs_power.h"
#include "tqs_table.h"

#define OVER(name, argument, result, call)                                                         \
    void name(const argument *x, result *y, int32_t count);                                        \
    void name(const argument *x, result *y, int32_t count) {                                       \
        for (int32_t i = 0; i < count; i++)                                                        \
            y[i] = (call);                                                                         \
    }

#define OVER_SCALED(name, call)                                                                    \
    void name(const int16_t *x, int32_t multiplier, int32_t shift, int16_t *y, int32_t count);     \
    void name(const int16_t *x, int32_t multiplier, int32_t shift, int16_t *y, int32_t count) {    \
        for (int32_t i = 0; i < count; i++)                                                        \
            y[i] = (call);                                                                         \
    }

OVER(leading_zeros, uint32_t, int32_t, tqs_leading_zeros(x[i]))
OVER(reciprocal, uint32_t, uint32_t, tqs_reciprocal(x[i]))
OVER(inverse_root, uint32_t, uint32_t, tqs_inverse_root(x[i]))
OVER_SCALED(sqrt_s16, tqs_sqrt_s16(x[i], multiplier, shift))
OVER_SCALED(rsqrt_s16, tqs_rsqrt_s16(x[i], multiplier, shift))
OVER_SCALED(reciprocal_s16, tqs_reciprocal_s16(x[i], multiplier, shift))

void divide_s16(const int16_t *a, const int16_t *b, int32_t multiplier, int32_t shift, int16_t *y,
                int32_t count);
void log_s16(const int16_t *x, const int16_t *table, int32_t multiplier, int64_t offset,
             int32_t shift, int16_t *y, int32_t count);
void table_s16(const int16_t *x, const int16_t *table, int32_t cells, int32_t first,
               int32_t step_bits, int16_t *y, int32_t count);
void wave_s16(const int16_t *x, const int16_t *table, int32_t turn, int16_t *y, int32_t count);

void divide_s16(const int16_t *a, const int16_t *b, int32_t multiplier, int32_t shift, int16_t *y,
                int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_divide_s16(a[i], b[i], multiplier, shift);
}

void log_s16(const int16_t *x, const int16_t *table, int32_t multiplier, int64_t offset,
             int32_t shift, int16_t *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_log_s16(x[i], table, multiplier, offset, shift);
}

void table_s16(const int16_t *x, const int16_t *table, int32_t cells, int32_t first,
               int32_t step_bits, int16_t *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_table_s16(x[i], table, cells, first, step_bits);
}

void wave_s16(const int16_t *x, const int16_t *table, int32_t turn, int16_t *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_wave_s16(x[i], table, turn);
}
