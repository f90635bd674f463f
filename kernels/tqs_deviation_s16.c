/* The deviation of rows. */
#include "tqs_rows.h"
#include "tqs_spread.h"

void tqs_deviation_s16(const int16_t *restrict x, int64_t epsilon, int32_t multiplier,
                       int32_t shift, int16_t *restrict y, int32_t rows, int32_t length) {
    for (int32_t row = 0; row < rows; ++row, x += length) {
        const tqs_spread spread = tqs_spread_of(x, epsilon, length);
        const uint32_t root = tqs_high_product(spread.mantissa, tqs_inverse_root(spread.mantissa));
        const int32_t down = shift - 2 + spread.half;
        const int64_t scaled = (int64_t)root * multiplier;
        y[row] = tqs_sat16(tqs_round_high(scaled, down > 62 ? 62 : down));
    }
}
