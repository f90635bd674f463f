/* The one arithmetic of the project: saturate and requantize. See README.md, "Arithmetic".
   twin: tqs_edge.quant.fixed_point */
#ifndef TQS_FIXED_H
#define TQS_FIXED_H

#include <stdint.h>

/* C99 leaves two things to the compiler that this code relies on: right shifts of negative values
   are arithmetic, and conversion to a narrower signed type keeps the low bits. */
typedef char tqs_right_shift_is_arithmetic[(-1 >> 1) == -1 ? 1 : -1];
typedef char tqs_narrowing_keeps_low_bits[(int32_t)UINT32_C(0xFFFFFFFF) == -1 ? 1 : -1];

/* Preconditions: nothing in release, a trap in the checked build (-DTQS_CHECKED). */
#ifdef TQS_CHECKED
#define TQS_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define TQS_ASSERT(condition) ((void)0)
#endif

/* Alignment of an array in bytes: static TQS_ALIGN(4) int16_t x[TQS_PADDED(33)]; */
#define TQS_ALIGN(bytes) __attribute__((aligned(bytes)))

/* Elements that must be readable in the input of a dense kernel of this depth. */
#define TQS_PADDED(elements) (((elements) + 15) / 16 * 16)

/* v clamped to [-128, 127]. GCC 12 finds SSAT by itself only in the simplest functions; where there
   is none, the low byte says whether v is in range already. */
static inline int32_t tqs_clamp8(int32_t v) {
#ifdef __ARM_FEATURE_SAT
    return (int32_t)__builtin_arm_ssat(v, 8);
#else
    return (int8_t)v == v ? v : (v >> 31) ^ INT8_MAX;
#endif
}

/* v clamped to [-32768, 32767]. */
static inline int32_t tqs_clamp16(int32_t v) {
#ifdef __ARM_FEATURE_SAT
    return (int32_t)__builtin_arm_ssat(v, 16);
#else
    return (int16_t)v == v ? v : (v >> 31) ^ INT16_MAX;
#endif
}

/* The same as numbers of 8 and 16 bits, to be stored. */
static inline int8_t tqs_sat8(int32_t v) {
    return (int8_t)tqs_clamp8(v);
}

static inline int16_t tqs_sat16(int32_t v) {
    return (int16_t)tqs_clamp16(v);
}

/* v clamped to [-2^31, 2^31 - 1]. */
static inline int32_t tqs_sat32(int64_t v) {
    return (int32_t)(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
}

/* max(v, least). */
static inline int8_t tqs_at_least_s8(int8_t v, int8_t least) {
    return v < least ? least : v;
}

static inline int16_t tqs_at_least_s16(int16_t v, int16_t least) {
    return v < least ? least : v;
}

static inline int32_t tqs_at_least_s32(int32_t v, int32_t least) {
    return v < least ? least : v;
}

#ifdef __ARM_ARCH_6M__
/* a = (a * b) >> 32 in low registers; b, l, p, t are lost. */
/* clang-format off */
#define TQS_PRODUCT_HIGH(a, b, l, p, t)                                                            \
    "uxth " l ", " a "\n\t"                                                                        \
    "asrs " a ", " a ", #16\n\t"                                                                   \
    "uxth " p ", " b "\n\t"                                                                        \
    "asrs " b ", " b ", #16\n\t"                                                                   \
    "movs " t ", " l "\n\t"                                                                        \
    "muls " t ", " p ", " t "\n\t"                                                                 \
    "lsrs " t ", " t ", #16\n\t"                                                                   \
    "muls " p ", " a ", " p "\n\t"                                                                 \
    "adds " p ", " p ", " t "\n\t"                                                                 \
    "muls " l ", " b ", " l "\n\t"                                                                 \
    "muls " a ", " b ", " a "\n\t"                                                                 \
    "uxth " t ", " p "\n\t"                                                                        \
    "adds " l ", " l ", " t "\n\t"                                                                 \
    "asrs " l ", " l ", #16\n\t"                                                                   \
    "asrs " p ", " p ", #16\n\t"                                                                   \
    "adds " a ", " a ", " p "\n\t"                                                                 \
    "adds " a ", " a ", " l "\n\t"
/* clang-format on */
#endif

/* (a * b) >> 32, exact. */
static inline int32_t tqs_product_high(int32_t a, int32_t b) {
#ifdef __ARM_ARCH_6M__
    /* Armv6-M keeps the low word only: four products of half words, a = ah 2^16 + al with al >= 0.
       ah * bl + (al * bl >> 16) and al * bh + 65535 lie within int32. */
    uint32_t l, p, t;
    /* clang-format off */
    __asm__(
        ".syntax unified\n\t"
        TQS_PRODUCT_HIGH("%[a]", "%[b]", "%[l]", "%[p]", "%[t]")
        : [a] "+l"(a), [b] "+l"(b), [l] "=&l"(l), [p] "=&l"(p), [t] "=&l"(t)
        :
        : "cc");
    /* clang-format on */
    return a;
#else
    return (int32_t)((int64_t)a * b >> 32);
#endif
}

/* v, which is proven to fit 8, 16 or 32 bits: checked in the checked build. */
static inline int32_t tqs_fit8(int32_t v) {
    TQS_ASSERT(v >= INT8_MIN && v <= INT8_MAX);
    return v;
}

static inline int32_t tqs_fit16(int32_t v) {
    TQS_ASSERT(v >= INT16_MIN && v <= INT16_MAX);
    return v;
}

static inline int32_t tqs_fit32(int64_t v) {
    TQS_ASSERT(v >= INT32_MIN && v <= INT32_MAX);
    return (int32_t)v;
}

/* a * b in 64 bits, exact. GCC multiplies by a constant that it sees in three instructions; one
   that is hidden in a register takes one: SMULL, or SMLAL together with the sum around it. */
static inline int64_t tqs_product(int32_t a, int32_t b) {
#ifdef __ARM_ARCH_6M__
    return (int64_t)((uint64_t)(uint32_t)tqs_product_high(a, b) << 32 | (uint32_t)a * (uint32_t)b);
#else
#if defined(__ARM_ARCH) && __ARM_ARCH >= 7
    __asm("" : "+r"(b));
#endif
    return (int64_t)a * b;
#endif
}

/* v >> shift for shift in [32, 62]: the high word alone is shifted, which is the same floor and
   spares cores without 64-bit shifts a library call. */
static inline int32_t tqs_shift_high(int64_t v, int32_t shift) {
    TQS_ASSERT(shift >= 32 && shift <= 62);
    return (int32_t)(v >> 32) >> (shift - 32);
}

/* (v + 2^(shift-1)) >> shift for shift in [32, 62], the sum inside int64. Half of the last place is
   added to the high word alone, or is the carry out of the low word. */
static inline int32_t tqs_round_high(int64_t v, int32_t shift) {
    const int32_t high = (int32_t)(v >> 32);
    TQS_ASSERT(shift >= 32 && shift <= 62);
    if (shift == 32)
        return high + (int32_t)((uint32_t)v >> 31);
    return (high + (int32_t)(UINT32_C(1) << (shift - 33))) >> (shift - 32);
}

/* (acc * multiplier + 2^(shift-1)) >> shift, rounding half up; multiplier >= 0, shift in [32, 62].
   Cannot overflow. */
static inline int32_t tqs_requantize(int32_t acc, int32_t multiplier, int32_t shift) {
    TQS_ASSERT(multiplier >= 0);
#ifdef __ARM_ARCH_6M__
    return tqs_round_high(tqs_product(acc, multiplier), shift);
#else
    const int64_t half = INT64_C(1) << (shift - 1);
    return tqs_shift_high((int64_t)acc * multiplier + half, shift);
#endif
}

/* The same for a 64-bit accumulator. The caller proves |acc| * multiplier + 2^(shift-1) < 2^63.
   That multiplier is not negative spares the compiler its high word. */
static inline int32_t tqs_requantize_acc64(int64_t acc, int32_t multiplier, int32_t shift) {
    TQS_ASSERT(multiplier >= 0);
#ifdef __ARM_ARCH_6M__
    /* acc = high 2^32 + low with low >= 0; as a signed number low has 2^32 less where its top bit
       is set. */
    const int32_t low = (int32_t)acc;
    const uint32_t m = (uint32_t)multiplier, high = (uint32_t)(uint64_t)(acc >> 32);
    const uint32_t top = (uint32_t)tqs_product_high(low, multiplier) + (low < 0 ? m : 0) + high * m;
    return tqs_round_high((int64_t)((uint64_t)top << 32 | (uint32_t)low * m), shift);
#else
    const int64_t half = INT64_C(1) << (shift - 1);
    return tqs_shift_high(acc * (int64_t)(uint32_t)multiplier + half, shift);
#endif
}

#endif
