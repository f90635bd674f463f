/* tanh and sigmoid of int16 fixed-point values by one shared table. See README.md, "Tables".
   twin: tqs_edge.quant.lut */
#ifndef TQS_LUT_H
#define TQS_LUT_H

#include "tqs_fixed.h"

/* Q15 values of tanh at 0, 1/32, ..., 8; knots raised so that interpolation errs to both sides. */
extern const int16_t tqs_tanh_table[257];

/* |x|. Written out on cores with the DSP extension, where clang makes a conditional of it. */
static inline int32_t tqs_magnitude(int32_t x) {
#ifdef __ARM_FEATURE_DSP
    int32_t y;
    __asm__("eor %[y], %[x], %[x], asr #31\n\tsub %[y], %[y], %[x], asr #31"
            : [y] "=&r"(y)
            : [x] "r"(x));
    return y;
#else
    return (x ^ (x >> 31)) - (x >> 31);
#endif
}

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED)
typedef struct {
    int32_t both; /* neighbours, the first in the low half word */
} __attribute__((packed, may_alias)) tqs_knots;
#endif

/* Q15 tanh of magnitude / 2^(step_bits + 5), times 2^step_bits: linear between the two knots around
   it. Beyond the last cell that cell's end is read: the knots there are equal. */
static inline int32_t tqs_tanh_magnitude(int32_t magnitude, int32_t step_bits) {
    const int32_t last = (256 << step_bits) - 1, step = 1 << step_bits;
    if (step_bits < 8 && magnitude > last)
        magnitude = last;
    const int16_t *const knot = &tqs_tanh_table[magnitude >> step_bits];
    const int32_t fraction = magnitude & (step - 1);
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED)
    /* One load, and one SMUAD that weighs both knots. */
    const int32_t weights = (step - fraction) + (fraction << 16);
    return __builtin_arm_smuad(((const tqs_knots *)(const void *)knot)->both, weights);
#else
    return knot[0] * step + (knot[1] - knot[0]) * fraction;
#endif
}

/* (-+ v + 2^(step_bits-1)) >> step_bits rounds -v half down, as it should where v >> step_bits is
   rounded half up first: so the sign is put on the sum, as ~v, which is one less than -v. */

/* tanh(x / 2^fraction_bits) in Q15; x a 16-bit number, fraction_bits in [8, 15]. Odd. */
static inline int32_t tqs_tanh_q15(int32_t x, int32_t fraction_bits) {
    const int32_t step_bits = fraction_bits - 5;
    TQS_ASSERT(x >= INT16_MIN && x <= INT16_MAX && fraction_bits >= 8 && fraction_bits <= 15);
    const int32_t v = tqs_tanh_magnitude(tqs_magnitude(x), step_bits) ^ (x >> 31);
    return (v + (1 << (step_bits - 1))) >> step_bits;
}

/* sigmoid(x / 2^fraction_bits) = (1 + tanh(x / 2)) / 2 in Q15, at most 32767; x a 16-bit number,
   fraction_bits in [8, 15]. */
static inline int32_t tqs_sigmoid_q15(int32_t x, int32_t fraction_bits) {
    const int32_t step_bits = fraction_bits - 4;
    TQS_ASSERT(x >= INT16_MIN && x <= INT16_MAX && fraction_bits >= 8 && fraction_bits <= 15);
    const int32_t v = tqs_tanh_magnitude(tqs_magnitude(x), step_bits) ^ (x >> 31);
    return tqs_clamp16((v + (1 << (step_bits - 1)) + (32769 << step_bits)) >> (step_bits + 1));
}

/* The same as numbers of 16 bits. */
static inline int16_t tqs_tanh_s16(int16_t x, int32_t fraction_bits) {
    return (int16_t)tqs_tanh_q15(x, fraction_bits);
}

static inline int16_t tqs_sigmoid_s16(int16_t x, int32_t fraction_bits) {
    return (int16_t)tqs_sigmoid_q15(x, fraction_bits);
}

#endif
