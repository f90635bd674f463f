/* Products of 16-bit matrices that both change from step to step: VMLALDAVA of eight elements of a
   row and of a column, whose elements a gather finds. */
#include "tqs_mve.h"
#include "tqs_rows.h"

enum { MOST_COLUMNS = 9362 }; /* where a gather's offsets, of eight rows, have 16 bits */

typedef struct {
    int64_t half; /* 2^(shift-1) */
    int32_t multiplier, shift, depth, columns;
} tqs_sizes;

static inline int16_t tqs_output(int64_t acc, const tqs_sizes *sizes) {
    const int64_t product = acc * (int64_t)(uint32_t)sizes->multiplier;
    return tqs_sat16(tqs_shift_high(product + sizes->half, sizes->shift));
}

/* A row of a product, whose last one to eight elements stay where they are; apart, for the
   registers. */
static __attribute__((noinline)) void tqs_row(const int16_t *left, const int16_t *b,
                                              const tqs_sizes *sizes, int16_t *y) {
    const int32_t columns = sizes->columns, whole = (sizes->depth - 1) / 8;
    const uint16x8_t offsets = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)columns);
    const mve_pred16_t some = vctp16q((uint32_t)(sizes->depth - 8 * whole));
    const int16x8_t last = vldrhq_z_s16(left + 8 * whole, some);
    for (int16_t *const end = y + columns; y != end; ++b) {
        const int16_t *x = left, *column = b;
        int64_t acc = 0;
        for (int32_t k = whole; k > 0; --k, x += 8, column += 8 * columns)
            acc = vmlaldavaq_s16(acc, vldrhq_s16(x),
                                 vldrhq_gather_shifted_offset_s16(column, offsets));
        acc = vmlaldavaq_s16(acc, last,
                             vldrhq_gather_shifted_offset_z_s16(column, offsets, some));
        *y++ = tqs_output(acc, sizes);
    }
}

static void tqs_long_row(const int16_t *left, const int16_t *b, const tqs_sizes *sizes,
                         int16_t *y) {
    for (int16_t *const end = y + sizes->columns; y != end; ++b) {
        const int16_t *right = b;
        int64_t acc = 0;
        for (int32_t k = 0; k < sizes->depth; ++k, right += sizes->columns)
            acc += left[k] * *right;
        *y++ = tqs_output(acc, sizes);
    }
}

void tqs_matmul_s16(const int16_t *restrict a, const int16_t *restrict b, int32_t multiplier,
                    int32_t shift, int16_t *restrict y, int32_t products, int32_t a_stride,
                    int32_t b_stride, int32_t rows, int32_t depth, int32_t columns) {
    const tqs_sizes sizes = {INT64_C(1) << (shift - 1), multiplier, shift, depth, columns};
    for (int32_t product = 0; product < products; ++product, a += a_stride, b += b_stride) {
        const int16_t *left = a;
        for (int32_t row = 0; row < rows; ++row, left += depth, y += columns) {
            if (columns <= MOST_COLUMNS)
                tqs_row(left, b, &sizes, y);
            else
                tqs_long_row(left, b, &sizes, y);
        }
    }
}
