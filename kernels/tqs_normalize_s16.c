/* Rows less their mean, over their deviation: one root per row, one product per element. */
#include "tqs_rows.h"
#include "tqs_spread.h"

void tqs_normalize_s16(const int16_t *restrict x, int64_t epsilon, int32_t multiplier,
                       int32_t shift, int16_t *restrict y, int32_t rows, int32_t length) {
    for (int32_t row = 0; row < rows; ++row, x += length, y += length) {
        const tqs_spread spread = tqs_spread_of(x, epsilon, length);
        const uint64_t root = tqs_inverse_root(spread.mantissa);
        const uint32_t factor = (uint32_t)(root * (uint32_t)multiplier >> 31);
        for (int32_t i = 0; i < length; ++i)
            y[i] = tqs_scale_s16(length * x[i] - spread.sum, factor, shift + 31 - spread.half);
    }
}
