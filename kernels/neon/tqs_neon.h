/* Internal: what the kernels for Cortex-A with NEON (Armv7-A and AArch64) have in common. */
#ifndef TQS_NEON_H
#define TQS_NEON_H

#if !defined(__ARM_NEON)
#error "this file needs a core with NEON; build the portable file of the same name"
#endif

#include <arm_neon.h>

#include "tqs_fixed.h"
#include "tqs_kernels.h"

/* y[i] = sat16(requantize(acc[i], multiplier[i], shift)) for four rows. VRSHL by -shift adds
   2^(shift-1) and shifts, without overflow; the two saturations together are sat16. */
static inline void tqs_requantize_rows(int16_t *y, int32x4_t acc, const int32_t *multiplier,
                                       int32_t shift) {
    const int32x4_t m = vld1q_s32(multiplier);
    const int64x2_t right = vdupq_n_s64(-(int64_t)shift);
    const int64x2_t low = vmull_s32(vget_low_s32(acc), vget_low_s32(m));
    const int64x2_t high = vmull_s32(vget_high_s32(acc), vget_high_s32(m));
    const int32x2_t y01 = vqmovn_s64(vrshlq_s64(low, right));
    const int32x2_t y23 = vqmovn_s64(vrshlq_s64(high, right));
    vst1_s16(y, vqmovn_s32(vcombine_s32(y01, y23)));
}

/* The sums of the lanes of four vectors. */
static inline int32x4_t tqs_sums_of(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
#ifdef __aarch64__
    return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
#else
    const int32x2_t a2 = vpadd_s32(vget_low_s32(a), vget_high_s32(a));
    const int32x2_t b2 = vpadd_s32(vget_low_s32(b), vget_high_s32(b));
    const int32x2_t c2 = vpadd_s32(vget_low_s32(c), vget_high_s32(c));
    const int32x2_t d2 = vpadd_s32(vget_low_s32(d), vget_high_s32(d));
    return vcombine_s32(vpadd_s32(a2, b2), vpadd_s32(c2, d2));
#endif
}

#endif
