/* Softmax of 16-bit rows: y holds the exponentials as unsigned Q15 until their sum is known. */
#include "tqs_power.h"
#include "tqs_rows.h"

/* 2^-power in Q30; power >= 0 in Q16. */
static uint32_t exp2_of_minus(int32_t power, const int16_t *table) {
    const int32_t index = (power & 0xFFFF) >> 9, rest = power & 0x1FF;
    const int32_t low = table[index];
    const int32_t lost = low + (((table[index + 1] - low) * rest + (1 << 8)) >> 9);
    const int32_t whole = power >> 16;
    return (uint32_t)(65536 - lost) << 14 >> (whole > 31 ? 31 : whole);
}

static int16_t largest(const int16_t *x, int32_t length) {
    int16_t top = x[0];
    for (int32_t i = 1; i < length; ++i)
        top = x[i] > top ? x[i] : top;
    return top;
}

void tqs_softmax_s16(const int16_t *restrict x, const int16_t *restrict table, int32_t multiplier,
                     int32_t shift, int32_t sum_bits, int16_t *restrict y, int32_t rows,
                     int32_t length) {
    for (int32_t row = 0; row < rows; ++row, x += length, y += length) {
        const int16_t top = largest(x, length);
        uint64_t sum = 0;
        for (int32_t i = 0; i < length; ++i) {
            const int32_t distance = (top - x[i]) * (1 << 15);
            const int32_t power = tqs_round_high(tqs_product(distance, multiplier), shift);
            const uint32_t term = exp2_of_minus(power, table);
            sum += term;
            y[i] = (int16_t)((term + (1 << 14)) >> 15);
        }
        const uint32_t total = (uint32_t)(sum >> (30 - sum_bits));
        const int32_t zeros = tqs_leading_zeros(total);
        const uint32_t inverse = tqs_reciprocal(total << zeros);
        for (int32_t i = 0; i < length; ++i) {
            const uint32_t doubled = (uint32_t)(uint16_t)y[i] << 1;
            const int64_t share = (int64_t)((uint64_t)doubled * inverse);
            y[i] = tqs_sat16(tqs_round_high(share, 63 - sum_bits - zeros));
        }
    }
}
