/* tanh and sigmoid of int16 fixed-point values by one shared table. See README.md, "Tables".
   twin: tqs_edge.quant.lut */
#ifndef TQS_LUT_H
#define TQS_LUT_H

#include "tqs_fixed.h"

/* Q15 values of tanh at 0, 1/32, ..., 8; knots raised so that interpolation errs to both sides. */
extern const int16_t tqs_tanh_table[257];

/* Q15 tanh of magnitude / 2^(step_bits + 5): linear between the two knots around it. Beyond the
   last cell that cell's end is read: the knots there are equal. */
static inline int32_t tqs_tanh_magnitude(int32_t magnitude, int32_t step_bits) {
    const int32_t last = (256 << step_bits) - 1;
    if (step_bits < 8 && magnitude > last)
        magnitude = last;
    const int16_t *const knot = &tqs_tanh_table[magnitude >> step_bits];
    const int32_t fraction = magnitude & ((1 << step_bits) - 1);
    return knot[0] + (((knot[1] - knot[0]) * fraction + (1 << (step_bits - 1))) >> step_bits);
}

/* tanh(x / 2^fraction_bits) in Q15; x a 16-bit number, fraction_bits in [8, 15]. Odd. */
static inline int32_t tqs_tanh_q15(int32_t x, int32_t fraction_bits) {
    const int32_t sign = x >> 31;
    TQS_ASSERT(x >= INT16_MIN && x <= INT16_MAX && fraction_bits >= 8 && fraction_bits <= 15);
    return (tqs_tanh_magnitude((x ^ sign) - sign, fraction_bits - 5) ^ sign) - sign;
}

/* sigmoid(x / 2^fraction_bits) = (1 + tanh(x / 2)) / 2 in Q15, at most 32767; x a 16-bit number,
   fraction_bits in [8, 15]. */
static inline int32_t tqs_sigmoid_q15(int32_t x, int32_t fraction_bits) {
    const int32_t sign = x >> 31;
    TQS_ASSERT(x >= INT16_MIN && x <= INT16_MAX && fraction_bits >= 8 && fraction_bits <= 15);
    const int32_t t = tqs_tanh_magnitude((x ^ sign) - sign, fraction_bits - 4);
    return tqs_clamp16(((t ^ sign) - sign + 32768 + 1) >> 1);
}

/* The same as numbers of 16 bits. */
static inline int16_t tqs_tanh_s16(int16_t x, int32_t fraction_bits) {
    return (int16_t)tqs_tanh_q15(x, fraction_bits);
}

static inline int16_t tqs_sigmoid_s16(int16_t x, int32_t fraction_bits) {
    return (int16_t)tqs_sigmoid_q15(x, fraction_bits);
}

#endif
