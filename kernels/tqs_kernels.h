/* Public kernels and their contracts. Equations and packing pictures: README.md. */
#ifndef TQS_KERNELS_H
#define TQS_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus /* which has no word for it */
#define restrict __restrict
#endif

/* A word of 8-bit weights, whose fields are two's complement, as a core's kernels take it: those of
   Armv6-M as offset binary, which spares their loop an instruction per word. Its own inverse. */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
#define TQS_W8_OFFSET UINT32_C(0x80808080)
#else
#define TQS_W8_OFFSET UINT32_C(0)
#endif
#define TQS_W8(word) ((word) ^ TQS_W8_OFFSET)

/* Dense layer, a<act bits>w<weight bits>, 16-bit output:
     acc[r] = bias[r] + sum over i < depth of weight[r][i] * x[i]
     y[r]   = sat16((acc[r] * multiplier[r] + 2^(shift-1)) >> shift)
   shapes:    x (depth), w (rows * words), bias, multiplier and y (rows);
              words = ceil(depth / group), group = 32 / weight bits
   packing:   quant/pack.py, pictures in README.md; the words of four rows are interleaved;
              TQS_W8 of those of 8-bit weights
   ranges:    rows >= 1; 1 <= depth <= 2^20; multiplier >= 0; shift in [32, 62];
              |acc| < 2^31 (32-bit accumulator; proven from the weights for every x) or
              |acc| * multiplier + 2^(shift-1) < 2^63 and |bias| <= 2^62 (64-bit accumulator)
   alignment: x, w, bias, multiplier 4 bytes (64-bit bias 8); y 2 bytes
   aliasing:  y overlaps nothing
   reads:     x up to depth rounded up to a multiple of 16 elements (TQS_PADDED); what lies beyond
              depth never influences y. w, bias, multiplier exactly.
   writes:    y[0 .. rows-1] exactly
   twin:      tqs_edge.quant.dense.dense */
#define TQS_DENSE_PROTOTYPE(name, act, acc)                                                        \
    void name(const act *restrict x, const uint32_t *restrict w, const acc *restrict bias,         \
              const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,              \
              int32_t rows, int32_t depth)

/* 32-bit accumulator. */
TQS_DENSE_PROTOTYPE(tqs_dense_a8w2, int8_t, int32_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a8w4, int8_t, int32_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a8w8, int8_t, int32_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a16w2, int16_t, int32_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a16w4, int16_t, int32_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a16w8, int16_t, int32_t);

/* 64-bit accumulator and bias. */
TQS_DENSE_PROTOTYPE(tqs_dense_a8w2_acc64, int8_t, int64_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a8w4_acc64, int8_t, int64_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a8w8_acc64, int8_t, int64_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a8w16_acc64, int8_t, int64_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a16w2_acc64, int16_t, int64_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a16w4_acc64, int16_t, int64_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a16w8_acc64, int16_t, int64_t);
TQS_DENSE_PROTOTYPE(tqs_dense_a16w16_acc64, int16_t, int64_t);

/* Residual step y[i] = sat16(x[i] + ((f[i] * multiplier + 2^(shift-1)) >> shift)).
   shapes: all (count); ranges: multiplier >= 0, shift in [32, 62]; alignment: 2 bytes;
   aliasing: y may be x or f, otherwise disjoint; twin: tqs_edge.quant.fixed_point.residual_update
 */
void tqs_residual_update_s16(const int16_t *x, const int16_t *f, int32_t multiplier, int32_t shift,
                             int16_t *y, int32_t count);

/* Drops the oldest rows of a window (length, features), oldest first, and appends the last
   min(block, length) rows of rows (block, features).
   ranges: length, features, block >= 1; alignment: 2 bytes; aliasing: none;
   writes: window[0 .. length*features-1] exactly */
void tqs_window_push_s16(int16_t *restrict window, const int16_t *restrict rows, int32_t length,
                         int32_t features, int32_t block);

/* Kept rows move on by one step: next = past[pushed ..] followed by rows.
   shapes: past, next (kept + pushed), rows (pushed); ranges: kept >= 0, pushed >= 1;
   pushed <= kept unless next is past or apart from it; alignment: as the type;
   aliasing: next may be past, otherwise disjoint; rows is apart from both;
   twin: verify.reference (PushOp) */
void tqs_push_rows_s8(const int8_t *past, const int8_t *rows, int8_t *next, int32_t kept,
                      int32_t pushed);
void tqs_push_rows_s16(const int16_t *past, const int16_t *rows, int16_t *next, int32_t kept,
                       int32_t pushed);

#endif
