/* Internal: four rows times 16-bit activations. Sixteen activations are put into the order of the
   fields of the packed words, in four vectors of four; each goes with the four weights that one
   field of a vector of words holds for each row, widened to 16 bits. */
#ifndef TQS_NEON_A16_H
#define TQS_NEON_A16_H

#include "tqs_neon.h"

typedef int16_t tqs_act;
typedef struct {
    int16x8_t lane[4]; /* the same four activations in both halves */
} tqs_block;
typedef struct {
    int32x4_t row[4]; /* four lanes per row */
} tqs_acc;

static inline tqs_acc tqs_zero(void) {
    const int32x4_t zero = vdupq_n_s32(0);
    const tqs_acc acc = {{zero, zero, zero, zero}};
    return acc;
}

static inline int32x4_t tqs_rows_of(tqs_acc acc) {
    return tqs_sums_of(acc.row[0], acc.row[1], acc.row[2], acc.row[3]);
}

static inline int32x4_t tqs_add_high(int32x4_t acc, int16x8_t weights, int16x8_t x) {
#ifdef __aarch64__
    return vmlal_high_s16(acc, weights, x);
#else
    return vmlal_s16(acc, vget_high_s16(weights), vget_high_s16(x));
#endif
}

static inline tqs_acc tqs_add4(tqs_acc acc, int8x16_t weights, int16x8_t x) {
    const int16x8_t rows01 = vmovl_s8(vget_low_s8(weights));
    const int16x8_t rows23 = vmovl_s8(vget_high_s8(weights));
    acc.row[0] = vmlal_s16(acc.row[0], vget_low_s16(rows01), vget_low_s16(x));
    acc.row[1] = tqs_add_high(acc.row[1], rows01, x);
    acc.row[2] = vmlal_s16(acc.row[2], vget_low_s16(rows23), vget_low_s16(x));
    acc.row[3] = tqs_add_high(acc.row[3], rows23, x);
    return acc;
}
#define TQS_ADD4(acc, weights, x, number) acc = tqs_add4(acc, weights, (x).lane[number])

static inline int16x8_t tqs_twice(int16x4_t x) {
    return vcombine_s16(x, x);
}

#if TQS_WEIGHT_BITS == 8 && defined(__aarch64__)
static inline tqs_block tqs_block_of(const tqs_act *x) {
    static const uint8_t order[16] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};
    const uint8x16_t fields = vld1q_u8(order);
    const int64x2_t ab = vreinterpretq_s64_u8(
        vqtbl1q_u8(vreinterpretq_u8_s16(vld1q_s16(x)), fields));
    const int64x2_t cd = vreinterpretq_s64_u8(
        vqtbl1q_u8(vreinterpretq_u8_s16(vld1q_s16(x + 8)), fields));
    const tqs_block block = {{
        vreinterpretq_s16_s64(vdupq_laneq_s64(ab, 0)),
        vreinterpretq_s16_s64(vdupq_laneq_s64(ab, 1)),
        vreinterpretq_s16_s64(vdupq_laneq_s64(cd, 0)),
        vreinterpretq_s16_s64(vdupq_laneq_s64(cd, 1)),
    }};
    return block;
}
#else
static inline tqs_block tqs_block_of(const tqs_act *x) {
    const int16x4_t a = vld1_s16(x), b = vld1_s16(x + 4), c = vld1_s16(x + 8),
                    d = vld1_s16(x + 12);
#if TQS_WEIGHT_BITS == 8 /* fields 0 2 1 3 of every word */
    const tqs_block block = {{
        tqs_twice(vzip_s16(a, vext_s16(a, a, 2)).val[0]),
        tqs_twice(vzip_s16(b, vext_s16(b, b, 2)).val[0]),
        tqs_twice(vzip_s16(c, vext_s16(c, c, 2)).val[0]),
        tqs_twice(vzip_s16(d, vext_s16(d, d, 2)).val[0]),
    }};
    return block;
#else
#if TQS_WEIGHT_BITS == 4 /* low nibbles 0 4 1 5, high nibbles 2 6 3 7 */
    const int16x4x2_t first = vzip_s16(a, b), second = vzip_s16(c, d);
#else /* pairs of bits: 0 8 1 9, 2 10 3 11, 4 12 5 13, 6 14 7 15 */
    const int16x4x2_t first = vzip_s16(a, c), second = vzip_s16(b, d);
#endif
    const tqs_block block = {{tqs_twice(first.val[0]), tqs_twice(first.val[1]),
                              tqs_twice(second.val[0]), tqs_twice(second.val[1])}};
    return block;
#endif
}
#endif

#endif
