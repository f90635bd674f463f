/* Kernels over the last axis and products of two tensors. Equations: README.md, "Rows". */
#ifndef TQS_ROWS_H
#define TQS_ROWS_H

#include <stdint.h>

#ifdef __cplusplus /* which has no word for it */
#define restrict __restrict
#endif

/* Softmax of every row in Q15, at most 32767.
   shapes:    x and y (rows, length); table (129): 2^16 * (1 - 2^(-k / 128))
   ranges:    rows >= 1; 1 <= length <= 4096; multiplier >= 0; shift in [32, 62];
              sum_bits = min(30, 31 - ceil(log2(length)))
   alignment: 2 bytes; aliasing: none; writes: y exactly
   twin:      tqs_edge.quant.softmax.softmax */
void tqs_softmax_s16(const int16_t *restrict x, const int16_t *restrict table, int32_t multiplier,
                     int32_t shift, int32_t sum_bits, int16_t *restrict y, int32_t rows,
                     int32_t length);

/* y = sat16((length * x - sum(x)) / sqrt(w) * multiplier / 2^shift) of every row, where
   w = length * sum(x^2) - sum(x)^2 + epsilon.
   shapes:    x and y (rows, length)
   ranges:    rows >= 1; 1 <= length <= 32767; epsilon >= 1, w < 2^62; multiplier in [0, 2^30],
              >= 2^29 where shift < 31; shift in [2, 31]
   alignment: 2 bytes; aliasing: none; writes: y exactly
   twin:      tqs_edge.quant.normalize.normalize */
void tqs_normalize_s16(const int16_t *restrict x, int64_t epsilon, int32_t multiplier,
                       int32_t shift, int16_t *restrict y, int32_t rows, int32_t length);

/* y = sat16(sqrt(w) * multiplier / 2^shift) of every row, w as above.
   shapes:    x (rows, length), y (rows)
   ranges:    rows, length, epsilon and w as above; multiplier in [0, 2^30]; shift such that
              shift - 2 + half >= 32 for every w, 4^half the power of four that shifts w to
              [2^62, 2^64)
   alignment: 2 bytes; aliasing: none; writes: y exactly
   twin:      tqs_edge.quant.normalize.deviation */
void tqs_deviation_s16(const int16_t *restrict x, int64_t epsilon, int32_t multiplier,
                       int32_t shift, int16_t *restrict y, int32_t rows, int32_t length);

/* y[p] = sat16((a[p] . b[p] * multiplier + 2^(shift-1)) >> shift), matrix products in 64 bits.
   shapes:    a (products, rows, depth), b (products, depth, columns), y (products, rows, columns);
              the matrices of a and b are a_stride and b_stride elements apart, 0 where one serves
              all products
   ranges:    all extents >= 1; multiplier >= 0; shift in [32, 62];
              depth * 2^30 * multiplier + 2^(shift-1) < 2^63
   alignment: 2 bytes; aliasing: y overlaps nothing; writes: y exactly
   twin:      tqs_edge.quant.matmul.matmul */
void tqs_matmul_s16(const int16_t *restrict a, const int16_t *restrict b, int32_t multiplier,
                    int32_t shift, int16_t *restrict y, int32_t products, int32_t a_stride,
                    int32_t b_stride, int32_t rows, int32_t depth, int32_t columns);

#endif
