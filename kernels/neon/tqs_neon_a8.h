/* Internal: four rows times 8-bit activations. Sixteen activations are put into the order of the
   fields of the packed words; four of them then lie in one lane of 32 bits, which goes with the
   four weights that one field of a vector of words holds for each row. With dot products a lane is
   one instruction, without them two multiplications and two pairwise sums. */
#ifndef TQS_NEON_A8_H
#define TQS_NEON_A8_H

#include "tqs_neon.h"

typedef int8_t tqs_act;
typedef int8x16_t tqs_block;

#ifdef __ARM_FEATURE_DOTPROD
typedef int32x4_t tqs_acc; /* a lane per row */

static inline tqs_acc tqs_zero(void) {
    return vdupq_n_s32(0);
}
static inline int32x4_t tqs_rows_of(tqs_acc acc) {
    return acc;
}
#define TQS_ADD4(acc, weights, x, lane) acc = vdotq_laneq_s32(acc, weights, x, lane)
#else
typedef struct {
    int32x4_t rows01, rows23; /* two lanes per row */
} tqs_acc;

static inline tqs_acc tqs_zero(void) {
    const tqs_acc acc = {vdupq_n_s32(0), vdupq_n_s32(0)};
    return acc;
}
static inline int32x4_t tqs_rows_of(tqs_acc acc) {
#ifdef __aarch64__
    return vpaddq_s32(acc.rows01, acc.rows23);
#else
    return vcombine_s32(vpadd_s32(vget_low_s32(acc.rows01), vget_high_s32(acc.rows01)),
                        vpadd_s32(vget_low_s32(acc.rows23), vget_high_s32(acc.rows23)));
#endif
}
/* Products have 16 bits; VPADAL widens the sum of two neighbours, which may have 17. */
static inline tqs_acc tqs_add4(tqs_acc acc, int8x16_t weights, int8x8_t x) {
    acc.rows01 = vpadalq_s16(acc.rows01, vmull_s8(vget_low_s8(weights), x));
    acc.rows23 = vpadalq_s16(acc.rows23, vmull_s8(vget_high_s8(weights), x));
    return acc;
}
#define TQS_LANE(x, lane)                                                                          \
    vreinterpret_s8_s32(vdup_lane_s32(                                                             \
        vreinterpret_s32_s8((lane) < 2 ? vget_low_s8(x) : vget_high_s8(x)), (lane) % 2))
#define TQS_ADD4(acc, weights, x, lane) acc = tqs_add4(acc, weights, TQS_LANE(x, lane))
#endif

/* Sixteen activations in the order of the fields, by the bytes `order` of 0..15. */
static inline tqs_block tqs_ordered(const tqs_act *x, const uint8_t order[16]) {
    const int8x16_t natural = vld1q_s8(x);
#ifdef __aarch64__
    return vqtbl1q_s8(natural, vld1q_u8(order));
#else
    const int8x8x2_t table = {{vget_low_s8(natural), vget_high_s8(natural)}};
    return vcombine_s8(vtbl2_s8(table, vld1_s8((const int8_t *)order)),
                       vtbl2_s8(table, vld1_s8((const int8_t *)order + 8)));
#endif
}

#if TQS_WEIGHT_BITS == 8
static inline tqs_block tqs_block_of(const tqs_act *x) {
    return vld1q_s8(x);
}
#elif TQS_WEIGHT_BITS == 4
static inline tqs_block tqs_block_of(const tqs_act *x) {
    static const uint8_t order[16] = {0, 4, 2, 6, 1, 5, 3, 7, 8, 12, 10, 14, 9, 13, 11, 15};
    return tqs_ordered(x, order);
}
#else
static inline tqs_block tqs_block_of(const tqs_act *x) {
    static const uint8_t order[16] = {0, 8, 2, 10, 1, 9, 3, 11, 4, 12, 6, 14, 5, 13, 7, 15};
    return tqs_ordered(x, order);
}
#endif

#endif
