/* Products of 16-bit matrices that both change from step to step. */
#include "tqs_fixed.h"
#include "tqs_rows.h"

void tqs_matmul_s16(const int16_t *restrict a, const int16_t *restrict b, int32_t multiplier,
                    int32_t shift, int16_t *restrict y, int32_t products, int32_t a_stride,
                    int32_t b_stride, int32_t rows, int32_t depth, int32_t columns) {
    for (int32_t product = 0; product < products; ++product, a += a_stride, b += b_stride) {
        const int16_t *left = a;
        for (int32_t row = 0; row < rows; ++row, left += depth) {
            for (int32_t column = 0; column < columns; ++column) {
                const int16_t *right = b + column;
                int64_t acc = 0;
                for (int32_t k = 0; k < depth; ++k, right += columns)
                    acc += left[k] * *right;
                *y++ = tqs_sat16(tqs_requantize_acc64(acc, multiplier, shift));
            }
        }
    }
}
