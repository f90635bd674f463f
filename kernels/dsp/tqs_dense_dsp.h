/* Internal: dense kernels for cores with the DSP extension. What the including file defines is in
   ../tqs_dense_row.h, the loop over quads in ../tqs_dense_quad.h.

   A block is four activations in two registers; each row cuts its four weights out of its word
   (SXTB16, or AND with a shifted operand) and adds them with two SMLAD. A word of 8-bit (4-bit,
   2-bit) weights serves one (two, four) blocks. */
#include "tqs_dense_row.h"
#include "tqs_dsp.h"

#define TQS_PAIRED 0

/* One instruction per line: */
/* clang-format off */

/* Two weights of v, in the half words from bit `a` on, into t. */
#define TQS_TEXT_(number) #number
#define TQS_TEXT(number) TQS_TEXT_(number)
#if TQS_WEIGHT_BITS == 8
#define TQS_CUT(t, v, a, MASK) "sxtb16 " t ", " v ", ror #" #a "\n\t"
#define TQS_WORD(BLOCK) BLOCK(0, 8)
#define TQS_WORDS_PER_PASS 2
#define TQS_ENTER_ODD "cbnz r5, 3f\n"
#define TQS_MASK 0 /* unused */
#define TQS_START_QUAD ""
#else
#define TQS_CUT(t, v, a, MASK) "and " t ", " MASK ", " v ", lsr #" #a "\n\t"
#define TQS_END_IN_MEMORY /* lr holds the mask */
#define TQS_START_QUAD "mov lr, #" TQS_TEXT(TQS_MASK) "\n\t"
#if TQS_WEIGHT_BITS == 4
#define TQS_WORD(BLOCK) BLOCK(0, 4) BLOCK(8, 12)
#define TQS_WORDS_PER_PASS 2
#define TQS_MASK 0x000F000F
#else
#define TQS_WORD(BLOCK) BLOCK(0, 2) BLOCK(4, 6) BLOCK(8, 10) BLOCK(12, 14)
#define TQS_WORDS_PER_PASS 1
#define TQS_MASK 0x00030003
#endif
#endif

/* One row of a block: acc += four weights of v times xa, xb. */
#define TQS_ROW(acc, v, t, xa, xb, a, b, MASK)                                                     \
    TQS_CUT(t, v, a, MASK)                                                                         \
    "smlad " acc ", " t ", " xa ", " acc "\n\t"                                                    \
    TQS_CUT(t, v, b, MASK)                                                                         \
    "smlad " acc ", " t ", " xb ", " acc "\n\t"

#define TQS_QUAD_BLOCK(a, b)                                                                       \
    TQS_LOAD_X("r10", "r8", "r9")                                                                  \
    TQS_ROW("r0", "r4", "r12", "r8", "r9", a, b, "lr")                                             \
    TQS_ROW("r1", "r5", "r12", "r8", "r9", a, b, "lr")                                             \
    TQS_ROW("r2", "r6", "r12", "r8", "r9", a, b, "lr")                                             \
    TQS_ROW("r3", "r7", "r12", "r8", "r9", a, b, "lr")
#define TQS_QUAD_WORD TQS_WORD(TQS_QUAD_BLOCK)

/* acc = (acc * multiplier + r8 * 2^32) >> (32 + r9), or, with shift 32, rounded by SMMULR. */
#define TQS_SCALE(acc, multiplier)                                                                 \
    "smmla " acc ", " acc ", " multiplier ", r8\n\t"                                               \
    "asr " acc ", " acc ", r9\n\t"
#define TQS_SCALE_32(acc, multiplier) "smmulr " acc ", " acc ", " multiplier "\n\t"

/* 2^(bits-1) * sum(x): what offset-binary weights add too much to every row, padding included,
   modulo 2^32. */
static inline uint32_t tqs_excess32(const tqs_act *x, int32_t count) {
#if TQS_WEIGHT_BITS < 8
    uint32_t sum = 0, xa, xb;
    const tqs_act *const end = x + count;
    __asm__ volatile(
        "1:\n\t"
        TQS_LOAD_X("%[x]", "%[xa]", "%[xb]")
        "smlad %[sum], %[xa], %[ones], %[sum]\n\t"
        "smlad %[sum], %[xb], %[ones], %[sum]\n\t"
        "cmp %[x], %[end]\n\t"
        "bne 1b"
        : [x] "+r"(x), [sum] "+r"(sum), [xa] "=&r"(xa), [xb] "=&r"(xb)
        : [end] "r"(end), [ones] "r"(0x00010001)
        : "cc", "memory");
    return sum << (TQS_WEIGHT_BITS - 1);
#else
    (void)x;
    (void)count;
    return 0;
#endif
}

/* clang-format on */

#if TQS_ACC_BITS == 32
/* clang-format off */
#if TQS_WORDS_PER_PASS == 2
#define TQS_ENTER_SINGLE "tst %[words], #1\n\tbne 3f\n"
#define TQS_SECOND_SINGLE "3:\n\t" TQS_SINGLE_WORD
#else
#define TQS_ENTER_SINGLE ""
#define TQS_SECOND_SINGLE ""
#endif
#define TQS_SINGLE_BLOCK(a, b)                                                                     \
    TQS_LOAD_X("%[x]", "%[xa]", "%[xb]")                                                           \
    TQS_ROW("%[acc]", "%[v]", "%[t]", "%[xa]", "%[xb]", a, b, "%[mask]")
#define TQS_SINGLE_WORD "ldr %[v], [%[w]], #4\n\t" TQS_WORD(TQS_SINGLE_BLOCK)

/* The accumulator of the one row [w, end). */
static inline int32_t tqs_one_row(const tqs_act *x, const uint32_t *w, const uint32_t *end,
                                  int32_t acc) {
    uint32_t xa, xb, v, t;
    const uint32_t mask = TQS_MASK;
    __asm__ volatile(
        TQS_ENTER_SINGLE
        "1:\n\t"
        TQS_SINGLE_WORD
        TQS_SECOND_SINGLE
        "cmp %[w], %[end]\n\t"
        "bne 1b"
        : [x] "+r"(x), [w] "+r"(w), [acc] "+r"(acc), [xa] "=&r"(xa), [xb] "=&r"(xb),
          [v] "=&r"(v), [t] "=&r"(t)
        : [end] "r"(end), [mask] "r"(mask), [words] "r"(end - w)
        : "cc", "memory");
    return acc;
}

/* clang-format on */

/* tqs_last_rows, a row at a time in assembly. */
static inline void tqs_last_rows_dsp(const tqs_call *call, uint32_t excess) {
    const uint32_t *w = call->w;
    for (int32_t row = 0; row < call->rows; ++row, w += call->words) {
        const uint32_t start = (uint32_t)call->bias[row] - excess;
        const int32_t acc = tqs_one_row(call->x, w, w + call->words, (int32_t)start);
        call->y[row] = tqs_sat16(tqs_requantize(acc, call->multiplier[row], call->shift));
    }
}
#define TQS_LAST_ROWS tqs_last_rows_dsp

#if TQS_WEIGHT_BITS == 8
/* clang-format off */
#define TQS_ONE_WORD_OUTPUT(acc, multiplier)                                                       \
    TQS_SCALE_32(acc, multiplier)                                                                  \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [r8], #2\n\t"

/* The outputs of `rows` rows, a multiple of four, of one word each, as in a layer that reads the
   few inputs of a model; shift 32. r0-r3 sums, r4-r7 words or multipliers, r8 r9 activations, r8 y,
   r10 bias, r11 w, r12 product; on the stack what the struct of tqs_quads holds, and activations
   (28 bytes that the compiler does not count). */
static inline void tqs_one_word_quads(const tqs_call *call, int32_t rows) {
    const intptr_t behind = (intptr_t)call->bias + 16;
    register intptr_t r0 __asm__("r0") = (intptr_t)call->multiplier - behind;
    register intptr_t r1 __asm__("r1") = (intptr_t)call->y - (intptr_t)((uintptr_t)behind >> 1);
    register const int32_t *r2 __asm__("r2") = call->bias + rows;
    register const tqs_act *r5 __asm__("r5") = call->x;
    register const int32_t *r10 __asm__("r10") = call->bias;
    register const uint32_t *r12 __asm__("r12") = call->w;
    __asm__ volatile(
        "push {r7, r11}\n\t"
        "mov r11, r12\n\t"
        TQS_LOAD_X("r5", "r8", "r9")
        "push {r0, r1, r2, r8, r9}\n\t"
        "1:\n\t"
        "ldrd r8, r9, [sp, #12]\n\t"
        "ldm r10!, {r0-r3}\n\t"
        "ldm r11!, {r4-r7}\n\t"
        TQS_ROW("r0", "r4", "r12", "r8", "r9", 0, 8, "")
        TQS_ROW("r1", "r5", "r12", "r8", "r9", 0, 8, "")
        TQS_ROW("r2", "r6", "r12", "r8", "r9", 0, 8, "")
        TQS_ROW("r3", "r7", "r12", "r8", "r9", 0, 8, "")
        "ldm sp, {r4, r5, r6}\n\t"
        "cmp r10, r6\n\t"
        "add r8, r5, r10, lsr #1\n\t"
        "add r4, r4, r10\n\t"
        "ldm r4, {r4-r7}\n\t"
        TQS_ONE_WORD_OUTPUT("r0", "r4")
        TQS_ONE_WORD_OUTPUT("r1", "r5")
        TQS_ONE_WORD_OUTPUT("r2", "r6")
        TQS_ONE_WORD_OUTPUT("r3", "r7")
        "bne 1b\n\t" /* flags are those of the comparison */
        "add sp, #20\n\t"
        "pop {r7, r11}"
        : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r5), "+r"(r10), "+r"(r12)
        :
        : "r3", "r4", "r6", "r8", "r9", "cc", "memory");
}
/* clang-format on */
#define TQS_ONE_WORD_QUADS tqs_one_word_quads
#endif
#endif

#include "tqs_dense_quad.h"
