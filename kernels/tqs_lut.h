/* tanh and sigmoid of int16 fixed-point values by one shared table. See README.md, "Tables".
   twin: tqs_edge.quant.lut */
#ifndef TQS_LUT_H
#define TQS_LUT_H

#include "tqs_fixed.h"

/* Q15 values of tanh at 0, 1/32, ..., 8; knots raised so that interpolation errs to both sides. */
extern const int16_t tqs_tanh_table[257];

/* Q15 tanh of magnitude / 2^(step_bits + 5): linear between the two knots around it. */
static inline int32_t tqs_tanh_magnitude(uint32_t magnitude, int32_t step_bits) {
    const uint32_t index = magnitude >> step_bits;
    if (index >= 256)
        return tqs_tanh_table[256];
    const int32_t fraction = (int32_t)(magnitude & ((UINT32_C(1) << step_bits) - 1));
    const int32_t low = tqs_tanh_table[index];
    const int32_t rise = tqs_tanh_table[index + 1] - low;
    return low + ((rise * fraction + (1 << (step_bits - 1))) >> step_bits);
}

/* tanh(x / 2^fraction_bits) in Q15; fraction_bits in [8, 15]. Odd: f(-x) = -f(x). */
static inline int16_t tqs_tanh_s16(int16_t x, int32_t fraction_bits) {
    TQS_ASSERT(fraction_bits >= 8 && fraction_bits <= 15);
    const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
    const int32_t t = tqs_tanh_magnitude(magnitude, fraction_bits - 5);
    return (int16_t)(x < 0 ? -t : t);
}

/* sigmoid(x / 2^fraction_bits) = (1 + tanh(x / 2)) / 2 in Q15, at most 32767; fraction_bits in
   [8, 15]. */
static inline int16_t tqs_sigmoid_s16(int16_t x, int32_t fraction_bits) {
    TQS_ASSERT(fraction_bits >= 8 && fraction_bits <= 15);
    const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
    const int32_t t = tqs_tanh_magnitude(magnitude, fraction_bits - 4);
    return tqs_sat16((32768 + (x < 0 ? -t : t) + 1) >> 1);
}

#endif
