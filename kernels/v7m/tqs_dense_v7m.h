/* Internal: dense kernels of Armv7-M. What the including file defines is in ../tqs_dense_row.h, the
   loop over quads in ../tqs_dense_quad.h.

   TQS_PAIRED, 8-bit activations, 4- and 2-bit weights: one MLA multiplies the two fields f, g that
     a masked word holds, f + 2^16 g, with x[i+2] + 2^16 x[i], and bits 16 to 31 of its sums are
     those of f x[i] + g x[i+2]. The low half word collects f x[i+2]; it starts at 2^15 so that it
     never goes below 0 or above 2^16. With |x| <= 128 and 8 products of f, g <= 15 (or fewer bits)
     it moves by at most 15,360, and the high one stays within +-30,720; then it is flushed.
   otherwise: a field is cut out (SXTB, UBFX) and multiplied, one by one. */
#include "tqs_dense_row.h"

#define TQS_PAIRED (TQS_ACT_BITS == 8 && TQS_WEIGHT_BITS < 8)

/* One instruction per line: */
/* clang-format off */

#if TQS_PAIRED
#define TQS_END_IN_MEMORY /* lr holds the mask */
/* x[2] + 2^16 x[0] and x[3] + 2^16 x[1] */
#define TQS_LOAD_PAIRS                                                                             \
    "ldr r12, [r10], #4\n\t"                                                                       \
    "sxtb r9, r12\n\t"                                                                             \
    "sxtb r8, r12, ror #16\n\t"                                                                    \
    "add r8, r8, r9, lsl #16\n\t"                                                                  \
    "asr r9, r12, #24\n\t"                                                                         \
    "sxtb r12, r12, ror #8\n\t"                                                                    \
    "add r9, r9, r12, lsl #16\n\t"
#define TQS_ADD_PAIRS(acc, v, a, b)                                                                \
    "and r12, lr, " v ", lsr #" #a "\n\t"                                                          \
    "mla " acc ", r12, r8, " acc "\n\t"                                                            \
    "and r12, lr, " v ", lsr #" #b "\n\t"                                                          \
    "mla " acc ", r12, r9, " acc "\n\t"
#define TQS_PAIRS(a, b)                                                                            \
    TQS_LOAD_PAIRS                                                                                 \
    TQS_ADD_PAIRS("r0", "r4", a, b)                                                                \
    TQS_ADD_PAIRS("r1", "r5", a, b)                                                                \
    TQS_ADD_PAIRS("r2", "r6", a, b)                                                                \
    TQS_ADD_PAIRS("r3", "r7", a, b)
#define TQS_SET_SUM(acc, v) "mov " acc ", #0x8000\n\t"
#define TQS_ADD_HIGH(acc, v) "add " v ", " v ", " acc ", asr #16\n\t"
#define TQS_FLUSH                                                                                  \
    "ldm sp, {r4-r7}\n\t"                                                                          \
    TQS_ON_FOUR(TQS_ADD_HIGH)                                                                      \
    "stm sp, {r4-r7}\n\t"                                                                          \
    TQS_ON_FOUR(TQS_SET_SUM)
#define TQS_START_QUAD "stm sp, {r0-r3}\n\t" TQS_ON_FOUR(TQS_SET_SUM) "mov lr, #" TQS_MASK "\n\t"
#if TQS_WEIGHT_BITS == 4
#define TQS_MASK "0x000F000F"
#define TQS_QUAD_WORD TQS_PAIRS(0, 4) TQS_PAIRS(8, 12)
#define TQS_WORDS_PER_PASS 2
#else
#define TQS_MASK "0x00030003"
#define TQS_QUAD_WORD TQS_PAIRS(0, 2) TQS_PAIRS(4, 6) TQS_PAIRS(8, 10) TQS_PAIRS(12, 14)
#define TQS_WORDS_PER_PASS 1
#endif

#else
/* Without blanks, because a string of C99 ends at 4095 characters. */
#define TQS_START_QUAD ""
#if TQS_ACT_BITS == 8
#define TQS_LOAD_ONE "ldrsb r8,[r10],#1\n"
#else
#define TQS_LOAD_ONE "ldrsh r8,[r10],#2\n"
#endif
#if TQS_WEIGHT_BITS == 8
#define TQS_CUT(v, bit) "sxtb r12," v ",ror #" #bit "\n"
#elif TQS_WEIGHT_BITS == 4
#define TQS_CUT(v, bit) "ubfx r12," v ",#" #bit ",#4\n"
#else
#define TQS_CUT(v, bit) "ubfx r12," v ",#" #bit ",#2\n"
#endif
#define TQS_ADD_ONE(acc, v, bit) TQS_CUT(v, bit) "mla " acc ",r12,r8," acc "\n"
#define TQS_ONE(bit)                                                                               \
    TQS_LOAD_ONE                                                                                   \
    TQS_ADD_ONE("r0", "r4", bit)                                                                   \
    TQS_ADD_ONE("r1", "r5", bit)                                                                   \
    TQS_ADD_ONE("r2", "r6", bit)                                                                   \
    TQS_ADD_ONE("r3", "r7", bit)
#if TQS_WEIGHT_BITS == 8 && TQS_ACT_BITS == 8
#define TQS_QUAD_WORD TQS_ONE(0) TQS_ONE(8) TQS_ONE(16) TQS_ONE(24)
#define TQS_WORDS_PER_PASS 2
#elif TQS_WEIGHT_BITS == 8
#define TQS_QUAD_WORD TQS_ONE(0) TQS_ONE(16) TQS_ONE(8) TQS_ONE(24)
#define TQS_WORDS_PER_PASS 2
#elif TQS_WEIGHT_BITS == 4
#define TQS_QUAD_WORD                                                                              \
    TQS_ONE(0) TQS_ONE(16) TQS_ONE(4) TQS_ONE(20) TQS_ONE(8) TQS_ONE(24) TQS_ONE(12) TQS_ONE(28)
#define TQS_WORDS_PER_PASS 1
#else
#define TQS_QUAD_WORD                                                                              \
    TQS_ONE(0) TQS_ONE(16) TQS_ONE(2) TQS_ONE(18) TQS_ONE(4) TQS_ONE(20) TQS_ONE(6) TQS_ONE(22)    \
    TQS_ONE(8) TQS_ONE(24) TQS_ONE(10) TQS_ONE(26) TQS_ONE(12) TQS_ONE(28) TQS_ONE(14) TQS_ONE(30)
#define TQS_WORDS_PER_PASS 1
#endif
#endif

/* acc = (acc * multiplier + r8 * 2^32) >> (32 + r9), or, with shift 32, rounded by the low word,
   which takes the multiplier's place. */
#define TQS_SCALE(acc, multiplier)                                                                 \
    "smull " multiplier ", " acc ", " acc ", " multiplier "\n\t"                                   \
    "add " acc ", " acc ", r8\n\t"                                                                 \
    "asr " acc ", " acc ", r9\n\t"
#define TQS_SCALE_32(acc, multiplier)                                                              \
    "smull " multiplier ", " acc ", " acc ", " multiplier "\n\t"                                   \
    "add " acc ", " acc ", " multiplier ", lsr #31\n\t"
/* clang-format on */

static inline uint32_t tqs_excess32(const tqs_act *x, int32_t count) {
    return (uint32_t)tqs_excess(x, count);
}

#include "tqs_dense_quad.h"
