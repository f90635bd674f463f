/* Eight numbers of 16 bits at once on cores with MVE, for the loops of generated models. A function
   does in each lane what the function of the same name, or the equation beside it, does. Sums and
   products that need 32 bits are in two vectors: those of the even and those of the odd lanes. */
#ifndef TQS_LANES_H
#define TQS_LANES_H

#include "tqs_lut.h"

#if defined(__ARM_FEATURE_MVE)
#define TQS_LANES 8

#include <arm_mve.h>

typedef int16x8_t tqs_lanes;
typedef int32x4_t tqs_wide;

/* Only the first `count` lanes are read and written; the others are 0. */
static inline tqs_lanes tqs_lanes_load_s8(const int8_t *x, int32_t count) {
    return vldrbq_z_s16(x, vctp16q((uint32_t)count));
}

static inline tqs_lanes tqs_lanes_load_s16(const int16_t *x, int32_t count) {
    return vldrhq_z_s16(x, vctp16q((uint32_t)count));
}

/* The low bits of the lanes. */
static inline void tqs_lanes_store_s8(int8_t *y, tqs_lanes v, int32_t count) {
    vstrbq_p_s16(y, v, vctp16q((uint32_t)count));
}

static inline void tqs_lanes_store_s16(int16_t *y, tqs_lanes v, int32_t count) {
    vstrhq_p_s16(y, v, vctp16q((uint32_t)count));
}

/* The same of all lanes. */
#define tqs_lanes_load_all_s8(x) vldrbq_s16(x)
#define tqs_lanes_load_all_s16(x) vldrhq_s16(x)
#define tqs_lanes_store_all_s8(y, v) vstrbq_s16((y), (v))
#define tqs_lanes_store_all_s16(y, v) vstrhq_s16((y), (v))

static inline tqs_lanes tqs_lanes_dup(int16_t v) {
    return vdupq_n_s16(v);
}

/* clamp16(a + b), clamp16(a - b). */
static inline tqs_lanes tqs_lanes_add(tqs_lanes a, tqs_lanes b) {
    return vqaddq_s16(a, b);
}

static inline tqs_lanes tqs_lanes_sub(tqs_lanes a, tqs_lanes b) {
    return vqsubq_s16(a, b);
}

/* clamp16((a * b + 2^14) >> 15). */
static inline tqs_lanes tqs_lanes_product(tqs_lanes a, tqs_lanes b) {
    return vqrdmulhq_s16(a, b);
}

static inline tqs_lanes tqs_lanes_scale(tqs_lanes a, int16_t b) {
    return vqrdmulhq_n_s16(a, b);
}

/* (a * b + 2^15) >> 16. */
static inline tqs_lanes tqs_lanes_high_product(tqs_lanes a, int16_t b) {
    return vrmulhq_s16(a, vdupq_n_s16(b));
}

/* a + b and a - b that fit. */
static inline tqs_lanes tqs_lanes_wrap_add(tqs_lanes a, tqs_lanes b) {
    return vaddq_s16(a, b);
}

static inline tqs_lanes tqs_lanes_wrap_sub(tqs_lanes a, tqs_lanes b) {
    return vsubq_s16(a, b);
}

/* (v + 2^(shift-1)) >> shift for a literal shift in [1, 16]. */
#define tqs_lanes_round_shift(v, shift) vrshrq_n_s16((v), (shift))

/* max(v, least). */
static inline tqs_lanes tqs_lanes_at_least(tqs_lanes v, int16_t least) {
    return vmaxq_s16(v, vdupq_n_s16(least));
}

static inline tqs_lanes tqs_lanes_clamp8(tqs_lanes v) {
    return vmaxq_s16(vminq_s16(v, vdupq_n_s16(INT8_MAX)), vdupq_n_s16(INT8_MIN));
}

static inline tqs_wide tqs_wide_even(tqs_lanes v) {
    return vmovlbq_s16(v);
}

static inline tqs_wide tqs_wide_odd(tqs_lanes v) {
    return vmovltq_s16(v);
}

static inline tqs_wide tqs_wide_product_even(tqs_lanes a, tqs_lanes b) {
    return vmullbq_int_s16(a, b);
}

static inline tqs_wide tqs_wide_product_odd(tqs_lanes a, tqs_lanes b) {
    return vmulltq_int_s16(a, b);
}

static inline tqs_wide tqs_wide_add(tqs_wide a, tqs_wide b) {
    return vaddq_s32(a, b);
}

static inline tqs_wide tqs_wide_add_n(tqs_wide a, int32_t b) {
    return vaddq_n_s32(a, b);
}

static inline tqs_wide tqs_wide_mul_n(tqs_wide a, int32_t b) {
    return vmulq_n_s32(a, b);
}

/* v >> shift and (v + 2^(shift-1)) >> shift for a literal shift in [1, 31]; the sum fits. */
#define tqs_wide_shift(v, shift) vshrq_n_s32((v), (shift))
#define tqs_wide_round_shift(v, shift) vrshrq_n_s32((v), (shift))

/* clamp16 of what the two functions above make of even and odd lanes, shift in [1, 16]. */
#define tqs_lanes_narrow_shift(even, odd, shift)                                                   \
    vqshrntq_n_s32(vqshrnbq_n_s32(vuninitializedq_s16(), (even), (shift)), (odd), (shift))
#define tqs_lanes_narrow_round_shift(even, odd, shift)                                             \
    vqrshrntq_n_s32(vqrshrnbq_n_s32(vuninitializedq_s16(), (even), (shift)), (odd), (shift))

/* clamp16 of even and odd lanes. */
static inline tqs_lanes tqs_lanes_narrow(tqs_wide even, tqs_wide odd) {
    return vqmovntq_s32(vqmovnbq_s32(vuninitializedq_s16(), even), odd);
}

/* tqs_round_high((int64_t)x * factor[i], shift) for the lanes i, shift in [32, 62]: the product
   without its low 31 bits fits 32, and VRSHL rounds. */
static inline tqs_lanes tqs_lanes_scaled_by(tqs_lanes x, tqs_wide even, tqs_wide odd,
                                            int32_t shift) {
    const tqs_wide a = vrshlq_n_s32(vqdmulhq_s32(vmovlbq_s16(x), even), 31 - shift);
    const tqs_wide b = vrshlq_n_s32(vqdmulhq_s32(vmovltq_s16(x), odd), 31 - shift);
    return vmovntq_s32(vmovnbq_s32(vuninitializedq_s16(), a), b);
}

static inline tqs_lanes tqs_lanes_scaled(tqs_lanes x, const int32_t *factor, int32_t shift,
                                         int32_t count) {
    const uint32x4_t offsets = vidupq_n_u32(0, 2);
    const mve_pred16_t even = vctp32q((uint32_t)(count + 1) / 2);
    const mve_pred16_t odd = vctp32q((uint32_t)count / 2);
    return tqs_lanes_scaled_by(x, vldrwq_gather_shifted_offset_z_s32(factor, offsets, even),
                               vldrwq_gather_shifted_offset_z_s32(factor + 1, offsets, odd),
                               shift);
}

static inline tqs_lanes tqs_lanes_scaled_all(tqs_lanes x, const int32_t *factor, int32_t shift) {
    const uint32x4_t offsets = vidupq_n_u32(0, 2);
    return tqs_lanes_scaled_by(x, vldrwq_gather_shifted_offset_s32(factor, offsets),
                               vldrwq_gather_shifted_offset_s32(factor + 1, offsets), shift);
}

/* tqs_table_s16 of four numbers. At the last knot the fraction is a whole cell. */
static inline tqs_wide tqs_wide_table(tqs_wide x, const int16_t *table, int32_t cells,
                                      int32_t first, int32_t step_bits) {
    const tqs_wide above = vmaxq_s32(vsubq_n_s32(x, first), vdupq_n_s32(0));
    const tqs_wide place = vminq_s32(above, vdupq_n_s32(cells << step_bits));
    const tqs_wide cell = vminq_s32(vshlq_r_s32(place, -step_bits), vdupq_n_s32(cells - 1));
    const tqs_wide fraction = vsubq_s32(place, vshlq_r_s32(cell, step_bits));
    const uint32x4_t index = vreinterpretq_u32_s32(cell);
    const tqs_wide low = vldrhq_gather_shifted_offset_s32(table, index);
    const tqs_wide high = vldrhq_gather_shifted_offset_s32(table + 1, index);
    const tqs_wide rise = vmulq_s32(vsubq_s32(high, low), fraction);
    return vaddq_s32(low, vrshlq_n_s32(rise, -step_bits));
}

/* tqs_table_s16; cells >= 1. */
static inline tqs_lanes tqs_lanes_table(tqs_lanes x, const int16_t *table, int32_t cells,
                                        int32_t first, int32_t step_bits) {
    const tqs_wide even = tqs_wide_table(vmovlbq_s16(x), table, cells, first, step_bits);
    const tqs_wide odd = tqs_wide_table(vmovltq_s16(x), table, cells, first, step_bits);
    return vmovntq_s32(vmovnbq_s32(vuninitializedq_s16(), even), odd);
}

/* |x|, no more than what the table's last cell holds. */
static inline uint16x8_t tqs_lanes_magnitude(tqs_lanes x, int32_t step_bits) {
    const uint16x8_t magnitude = vreinterpretq_u16_s16(vabsq_s16(x));
    return step_bits < 8 ? vminq_u16(magnitude, vdupq_n_u16((uint16_t)((256 << step_bits) - 1)))
                         : magnitude;
}

/* tanh of a magnitude, with the sign of x. fraction: 2^16 times the part of a cell. */
static inline tqs_lanes tqs_lanes_between(tqs_lanes x, uint16x8_t cell, uint16x8_t fraction) {
    const uint16_t *const table = (const uint16_t *)tqs_tanh_table;
    const uint16x8_t low = vldrhq_gather_shifted_offset_u16(table, cell);
    const uint16x8_t high = vldrhq_gather_shifted_offset_u16(table + 1, cell);
    const uint16x8_t rise = vrmulhq_u16(vsubq_u16(high, low), fraction);
    const int16x8_t t = vreinterpretq_s16_u16(vaddq_u16(low, rise));
    return vnegq_m_s16(t, t, vcmpltq_n_s16(x, 0));
}

/* Macros, because MVE shifts by literals only. */
#define TQS_LANES_ODD(x, step_bits)                                                                \
    tqs_lanes_between((x), vshrq_n_u16(tqs_lanes_magnitude((x), (step_bits)), (step_bits)),        \
                      vshlq_n_u16(tqs_lanes_magnitude((x), (step_bits)), 16 - (step_bits)))

/* tqs_tanh_q15 and tqs_sigmoid_q15 of a variable. */
#define tqs_lanes_tanh_q15(x, fraction_bits) TQS_LANES_ODD((x), (fraction_bits) - 5)
#define tqs_lanes_sigmoid_q15(x, fraction_bits)                                                    \
    vqaddq_n_s16(vrshrq_n_s16(TQS_LANES_ODD((x), (fraction_bits) - 4), 1), 16384)

#endif
#endif
