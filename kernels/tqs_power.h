/* Division, square roots and logarithms of int16 without a division. See README.md, "Powers".
   twin: tqs_edge.quant.power */
#ifndef TQS_POWER_H
#define TQS_POWER_H

#include "tqs_fixed.h"

/* Zero bits above the leading one; v > 0. */
static inline int32_t tqs_leading_zeros(uint32_t v) {
#ifdef __ARM_FEATURE_CLZ
    return __builtin_clz(v);
#else
    int32_t zeros = 0;
    for (int32_t step = 16; step > 0; step >>= 1) {
        if (v < UINT32_C(1) << (32 - step)) {
            v <<= step;
            zeros += step;
        }
    }
    return zeros;
#endif
}

/* (a * b) >> 32. */
static inline uint32_t tqs_high_product(uint32_t a, uint32_t b) {
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

/* 2^62 / d within 2^-25 of itself, for d >= 2^31: a parabola, then two Newton steps. */
static inline uint32_t tqs_reciprocal(uint32_t d) {
    uint32_t r = 1138803534u - tqs_high_product(d, 1561778963u - tqs_high_product(d, 694123821u));
    r = tqs_high_product(r << 1, ((UINT32_C(1) << 29) - tqs_high_product(d, r)) << 3);
    return tqs_high_product(r << 2, ((UINT32_C(1) << 29) - tqs_high_product(d, r)) << 3) << 1;
}

/* g * (3 - v * g^2) / 2 with 29 fraction bits; g has 28. */
static inline uint32_t tqs_inverse_root_step(uint32_t v, uint32_t g) {
    const uint32_t square = tqs_high_product(g << 2, g << 2);
    return tqs_high_product(g << 2, ((UINT32_C(3) << 28) - tqs_high_product(v, square)) << 2);
}

/* 2^46 / sqrt(v) within 2^-19 of itself, for v >= 2^30: a parabola, then two Newton steps. */
static inline uint32_t tqs_inverse_root(uint32_t v) {
    uint32_t g = 716935381u - tqs_high_product(v, 881881295u - tqs_high_product(v, 439840162u));
    g = tqs_inverse_root_step(v, g) >> 1;
    return tqs_inverse_root_step(v, g) << 1;
}

/* sat16(v * factor / 2^down), rounded, for down >= 2; factor <= 2^30, and factor >= 2^28 where
   down < 32: there v is shifted left instead, and a v that has no room for it saturates anyway. */
static inline int16_t tqs_scale_s16(int32_t v, uint32_t factor, int32_t down) {
    TQS_ASSERT(down >= 2 && factor <= UINT32_C(1) << 30);
    if (down < 32) {
        const int32_t left = 32 - down, limit = INT32_MAX >> left;
        v = (v > limit ? limit : v < -limit ? -limit : v) * (INT32_C(1) << left);
        down = 32;
    }
    return tqs_sat16(tqs_round_high((int64_t)v * (int32_t)factor, down));
}

/* sat16(a / max(b, 1) * multiplier / 2^shift); multiplier in [0, 2^30], shift in [2, 48],
   multiplier >= 2^29 where shift < 48. */
static inline int16_t tqs_divide_s16(int16_t a, int16_t b, int32_t multiplier, int32_t shift) {
    const uint32_t divisor = b < 1 ? 1u : (uint32_t)b;
    const int32_t zeros = tqs_leading_zeros(divisor);
    const uint64_t product = (uint64_t)tqs_reciprocal(divisor << zeros) * (uint32_t)multiplier;
    TQS_ASSERT(shift >= 2 && shift <= 48);
    return tqs_scale_s16(a, (uint32_t)(product >> 31), shift + 31 - zeros);
}

/* sat16(2^14 / max(x, 1) * multiplier / 2^shift); multiplier in [0, 2^30], shift in [2, 48],
   multiplier >= 2^29 where shift < 48. */
static inline int16_t tqs_reciprocal_s16(int16_t x, int32_t multiplier, int32_t shift) {
    return tqs_divide_s16(1 << 14, x, multiplier, shift);
}

/* sat16(multiplier / 2^shift / sqrt(max(x, 1))); multiplier in [0, 2^30], shift in [1, 24]. */
static inline int16_t tqs_rsqrt_s16(int16_t x, int32_t multiplier, int32_t shift) {
    const uint32_t positive = x < 1 ? 1u : (uint32_t)x;
    const int32_t zeros = tqs_leading_zeros(positive) & ~1;
    const int64_t product = (int64_t)tqs_inverse_root(positive << zeros) * multiplier;
    return tqs_sat16(tqs_round_high(product, shift + 46 - (zeros >> 1)));
}

/* sat16(sqrt(max(x, 0)) * multiplier / 2^shift); multiplier in [0, 2^30], shift in [10, 33]. */
static inline int16_t tqs_sqrt_s16(int16_t x, int32_t multiplier, int32_t shift) {
    if (x < 1)
        return 0;
    const int32_t zeros = tqs_leading_zeros((uint32_t)x) & ~1;
    const uint32_t v = (uint32_t)x << zeros;
    const int64_t product = (int64_t)tqs_high_product(v, tqs_inverse_root(v)) * multiplier;
    return tqs_sat16(tqs_round_high(product, shift + 14 + (zeros >> 1)));
}

/* sat16((log2(max(x, 1)) * 2^23 * multiplier + offset) >> shift); table: 129 Q15 values of
   log2(1 + k / 128); shift in [32, 62], the sum inside int64. */
static inline int16_t tqs_log_s16(int16_t x, const int16_t *table, int32_t multiplier,
                                  int64_t offset, int32_t shift) {
    const uint32_t positive = x < 1 ? 1u : (uint32_t)x;
    const int32_t zeros = tqs_leading_zeros(positive);
    const uint32_t mantissa = (positive << zeros) & 0x7FFFFFFFu;
    const int32_t fraction = (int32_t)(mantissa >> 9) & 0x7FFF;
    const int32_t low = table[mantissa >> 24], rise = table[(mantissa >> 24) + 1] - low;
    const int32_t whole = (31 - zeros) * (1 << 23) + low * 256 + ((rise * fraction + 64) >> 7);
    return tqs_sat16(tqs_shift_high((int64_t)whole * multiplier + offset, shift));
}

#endif
