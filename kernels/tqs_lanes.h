/* Four numbers of 32 bits at once on cores with MVE, for the loops of generated models. Every
   function does in each lane what the function of the same name, or the operator, does. */
#ifndef TQS_LANES_H
#define TQS_LANES_H

#include "tqs_lut.h"

#if defined(__ARM_FEATURE_MVE)
#define TQS_LANES 4

#include <arm_mve.h>

typedef int32x4_t tqs_lanes;

static inline tqs_lanes tqs_lanes_load_s8(const int8_t *x) {
    return vldrbq_s32(x);
}

static inline tqs_lanes tqs_lanes_load_s16(const int16_t *x) {
    return vldrhq_s32(x);
}

static inline tqs_lanes tqs_lanes_load_s32(const int32_t *x) {
    return vldrwq_s32(x);
}

/* The low bits of the lanes. */
static inline void tqs_lanes_store_s8(int8_t *y, tqs_lanes v) {
    vstrbq_s32(y, v);
}

static inline void tqs_lanes_store_s16(int16_t *y, tqs_lanes v) {
    vstrhq_s32(y, v);
}

static inline tqs_lanes tqs_lanes_add(tqs_lanes a, tqs_lanes b) {
    return vaddq_s32(a, b);
}

static inline tqs_lanes tqs_lanes_add_n(tqs_lanes a, int32_t b) {
    return vaddq_n_s32(a, b);
}

static inline tqs_lanes tqs_lanes_sub(tqs_lanes a, tqs_lanes b) {
    return vsubq_s32(a, b);
}

static inline tqs_lanes tqs_lanes_mul(tqs_lanes a, tqs_lanes b) {
    return vmulq_s32(a, b);
}

static inline tqs_lanes tqs_lanes_mul_n(tqs_lanes a, int32_t b) {
    return vmulq_n_s32(a, b);
}

static inline tqs_lanes tqs_lanes_dup(int32_t v) {
    return vdupq_n_s32(v);
}

/* v >> shift and (v + 2^(shift-1)) >> shift for a literal shift in [1, 31]; the sum fits. */
#define tqs_lanes_shift(v, shift) vshrq_n_s32((v), (shift))
#define tqs_lanes_round_shift(v, shift) vrshrq_n_s32((v), (shift))

/* max(v, least). */
static inline tqs_lanes tqs_lanes_at_least(tqs_lanes v, int32_t least) {
    return vmaxq_s32(v, vdupq_n_s32(least));
}

static inline tqs_lanes tqs_lanes_clamp8(tqs_lanes v) {
    return vmaxq_s32(vminq_s32(v, vdupq_n_s32(INT8_MAX)), vdupq_n_s32(INT8_MIN));
}

static inline tqs_lanes tqs_lanes_clamp16(tqs_lanes v) {
    return vmovlbq_s16(vqmovnbq_s32(vreinterpretq_s16_s32(v), v));
}

/* tqs_tanh_magnitude of |x|, with the sign of x. */
static inline tqs_lanes tqs_lanes_odd(tqs_lanes x, int32_t step_bits) {
    int32x4_t magnitude = vabsq_s32(x);
    if (step_bits < 8)
        magnitude = vminq_s32(magnitude, vdupq_n_s32((256 << step_bits) - 1));
    const uint32x4_t index = vreinterpretq_u32_s32(vshlq_r_s32(magnitude, -step_bits));
    const int32x4_t fraction = vandq_s32(magnitude, vdupq_n_s32((1 << step_bits) - 1));
    const int32x4_t low = vldrhq_gather_shifted_offset_s32(tqs_tanh_table, index);
    const int32x4_t high = vldrhq_gather_shifted_offset_s32(tqs_tanh_table + 1, index);
    const int32x4_t part = vmulq_s32(vsubq_s32(high, low), fraction);
    const int32x4_t t = vaddq_s32(low, vrshlq_n_s32(part, -step_bits));
    const int32x4_t sign = vshrq_n_s32(x, 31);
    return vsubq_s32(veorq_s32(t, sign), sign);
}

static inline tqs_lanes tqs_lanes_tanh_q15(tqs_lanes x, int32_t fraction_bits) {
    return tqs_lanes_odd(x, fraction_bits - 5);
}

static inline tqs_lanes tqs_lanes_sigmoid_q15(tqs_lanes x, int32_t fraction_bits) {
    const int32x4_t t = vaddq_n_s32(tqs_lanes_odd(x, fraction_bits - 4), 32768);
    return vminq_s32(vrshlq_n_s32(t, -1), vdupq_n_s32(INT16_MAX));
}

#endif
#endif
