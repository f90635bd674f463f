/* What normalisation and deviation share: exact sums of a row and their root's mantissa.
   twin: tqs_edge.quant.normalize */
#ifndef TQS_SPREAD_H
#define TQS_SPREAD_H

#include "tqs_power.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

/* w = length * squares - sum^2 + epsilon, length^2 times (variance + eps). */
typedef struct {
    int32_t sum;
    int32_t half;      /* 4^half shifts w to [2^62, 2^64) */
    uint32_t mantissa; /* the top 32 bits of the shifted w */
} tqs_spread;

static inline tqs_spread tqs_spread_of(const int16_t *x, int64_t epsilon, int32_t length) {
    tqs_spread s = {0, 0, 0};
    int64_t squares = 0;
#if defined(__ARM_FEATURE_MVE)
    for (int32_t i = 0; i < length; i += 8) {
        const int16x8_t v = vldrhq_z_s16(x + i, vctp16q((uint32_t)(length - i)));
        s.sum = vaddvaq_s16(s.sum, v);
        squares = vmlaldavaq_s16(squares, v, v);
    }
#else
    for (int32_t i = 0; i < length; ++i) {
        s.sum += x[i];
        squares += x[i] * x[i];
    }
#endif
    const int64_t w = squares * length - (int64_t)s.sum * s.sum + epsilon;
    uint32_t top = (uint32_t)(w >> 32), below = (uint32_t)w;
    TQS_ASSERT(w >= 1 && w < INT64_C(1) << 62);
    if (top == 0) {
        top = below;
        below = 0;
        s.half = 16;
    }
    const int32_t zeros = tqs_leading_zeros(top) & ~1;
    s.mantissa = top << zeros | below >> 1 >> (31 - zeros);
    s.half += zeros >> 1;
    return s;
}

#endif
