/* Internal: the loops of the DSP kernels with a 32-bit accumulator. The including file defines
   TQS_KERNEL, TQS_ACT_BITS (8, 16) and TQS_WEIGHT_BITS (2, 4, 8).

   A quad of rows shares every load (and extension) of x, and one LDM loads a word of each row. A
   block is four activations in two registers; each row cuts its four weights out of its word
   (SXTB16, or AND with a shifted operand) and adds them with two SMLAD. A word of 8-bit (4-bit,
   2-bit) weights serves one (two, four) blocks. */
#include "tqs_dsp.h"

/* One instruction per line: */
/* clang-format off */

/* Two weights of v, in the half words from bit `a` on, into t. */
#define TQS_TEXT_(number) #number
#define TQS_TEXT(number) TQS_TEXT_(number)
#if TQS_WEIGHT_BITS == 8
#define TQS_CUT(t, v, a, MASK) "sxtb16 " t ", " v ", ror #" #a "\n\t"
#define TQS_WORD(BLOCK) BLOCK(0, 8)
#define TQS_WORDS_PER_PASS 2
#else
#define TQS_CUT(t, v, a, MASK) "and " t ", " MASK ", " v ", lsr #" #a "\n\t"
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

/* A call of the kernel as the loop over quads sees it. The assembly knows the offsets. */
typedef struct {
    const int32_t *bias;       /*  0 */
    int32_t excess;            /*  4 */
    const tqs_act *x;          /*  8 */
    int32_t quad_bytes;        /* 12: of the words of four rows */
    const int32_t *multiplier; /* 16 */
    int16_t *y;                /* 20 */
    int32_t half;              /* 24: 2^(shift-1) without its low word */
    int32_t high_shift;        /* 28: shift - 32 */
    const int16_t *y_end;      /* 32: a multiple of four rows */
    const uint32_t *w;         /* 36 */
} tqs_quads;
typedef char tqs_quads_layout[offsetof(tqs_quads, w) == 36 ? 1 : -1];

#define TQS_QUAD_BLOCK(a, b)                                                                       \
    TQS_LOAD_X("r10", "r8", "r9")                                                                  \
    TQS_ROW("r0", "r4", "r12", "r8", "r9", a, b, "lr")                                             \
    TQS_ROW("r1", "r5", "r12", "r8", "r9", a, b, "lr")                                             \
    TQS_ROW("r2", "r6", "r12", "r8", "r9", a, b, "lr")                                             \
    TQS_ROW("r3", "r7", "r12", "r8", "r9", a, b, "lr")
#define TQS_QUAD_WORD "ldm r11!, {r4-r7}\n\t" TQS_WORD(TQS_QUAD_BLOCK)

/* Offset-binary weights need lr for their mask, so the loop ends at an address in memory. */
#if TQS_WEIGHT_BITS < 8
#define TQS_MASK_TO_LR "mov lr, #" TQS_TEXT(TQS_MASK) "\n"
#define TQS_SUBTRACT_EXCESS                                                                        \
    "sub r0, r0, r5\n\tsub r1, r1, r5\n\tsub r2, r2, r5\n\tsub r3, r3, r5\n\t"
#define TQS_SET_END "add r4, r11, r6\n\tstr r4, [sp, #4]\n\t"
#define TQS_COMPARE_END "ldr r12, [sp, #4]\n\tcmp r11, r12\n\t"
#else
#define TQS_MASK_TO_LR "\n"
#define TQS_SUBTRACT_EXCESS ""
#define TQS_SET_END "add lr, r11, r6\n\t"
#define TQS_COMPARE_END "cmp r11, lr\n\t"
#endif
#if TQS_WORDS_PER_PASS == 2
#define TQS_ENTER_SINGLE "tst %[words], #1\n\tbne 3f\n"
#define TQS_SECOND_SINGLE "3:\n\t" TQS_SINGLE_WORD
#define TQS_ENTER "tst r6, #16\n\tbne 3f\n" /* an odd number of words: enter at the second */
#define TQS_SECOND_WORD "3:\n\t" TQS_QUAD_WORD
#else
#define TQS_ENTER_SINGLE ""
#define TQS_SECOND_SINGLE ""
#define TQS_ENTER "\n"
#define TQS_SECOND_WORD ""
#endif

#define TQS_QUAD_OUTPUT(acc, multiplier)                                                           \
    "smmla " acc ", " acc ", " multiplier ", r8\n\t"                                               \
    "asr " acc ", " acc ", r10\n\t"                                                                \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [r9], #2\n\t"
/* With shift 32 the rounding constant is in the low word: SMMULR. */
#define TQS_QUAD_OUTPUT_32(acc, multiplier)                                                        \
    "smmulr " acc ", " acc ", " multiplier "\n\t"                                                  \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [r9], #2\n\t"

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (16 bytes of stack that the compiler does not count).
   r0-r3 accumulators, r4-r7 words, r8 r9 activations, r10 x, r11 w, r12 weights, lr mask or end;
   on the stack r0 (quads), the end, r7, r11. */
static inline void tqs_four_rows_at_a_time(tqs_quads *quads) {
    register tqs_quads *r0 __asm__("r0") = quads;
    __asm__ volatile(
        "push {r0, r1, r7, r11}\n\t"
        "mov r12, r0\n\t"
        "ldr r11, [r12, #36]\n\t" TQS_MASK_TO_LR
        "1:\n\t" /* a quad */
        "ldm r12, {r4, r5, r10}\n\t"
        "ldr r6, [r12, #12]\n\t"
        "ldm r4!, {r0-r3}\n\t"
        "str r4, [r12]\n\t" TQS_SUBTRACT_EXCESS TQS_SET_END TQS_ENTER
        "2:\n\t" /* words */
        TQS_QUAD_WORD
        TQS_SECOND_WORD
        TQS_COMPARE_END
        "bne 2b\n\t"
        "ldr r12, [sp]\n\t"
        "ldrd r8, r9, [r12, #16]\n\t"
        "ldm r8!, {r4-r7}\n\t"
        "str r8, [r12, #16]\n\t"
        "ldrd r8, r10, [r12, #24]\n\t"
        "cmp r10, #0\n\t"
        "beq 4f\n\t"
        TQS_QUAD_OUTPUT("r0", "r4")
        TQS_QUAD_OUTPUT("r1", "r5")
        TQS_QUAD_OUTPUT("r2", "r6")
        TQS_QUAD_OUTPUT("r3", "r7")
        "5:\n\t"
        "str r9, [r12, #20]\n\t"
        "ldr r10, [r12, #32]\n\t"
        "cmp r9, r10\n\t"
        "bne 1b\n\t"
        "b 6f\n"
        "4:\n\t"
        TQS_QUAD_OUTPUT_32("r0", "r4")
        TQS_QUAD_OUTPUT_32("r1", "r5")
        TQS_QUAD_OUTPUT_32("r2", "r6")
        TQS_QUAD_OUTPUT_32("r3", "r7")
        "b 5b\n"
        "6:\n\t"
        "str r11, [r12, #36]\n\t"
        "pop {r0, r1, r7, r11}"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}

#define TQS_SINGLE_BLOCK(a, b)                                                                     \
    TQS_LOAD_X("%[x]", "%[xa]", "%[xb]")                                                           \
    TQS_ROW("%[acc]", "%[v]", "%[t]", "%[xa]", "%[xb]", a, b, "%[mask]")
#define TQS_SINGLE_WORD "ldr %[v], [%[w]], #4\n\t" TQS_WORD(TQS_SINGLE_BLOCK)

/* The accumulator of the one row [w, end). */
static inline int32_t tqs_one_row(const tqs_act *x, const uint32_t *w, const uint32_t *end,
                                  int32_t acc) {
    uint32_t xa, xb, v, t;
#if TQS_WEIGHT_BITS < 8
    const uint32_t mask = TQS_MASK;
#else
    const uint32_t mask = 0; /* unused */
#endif
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

/* 2^(bits-1) * sum(x): what offset-binary weights add too much to every row, padding included,
   modulo 2^32. */
static inline uint32_t tqs_excess(const tqs_act *x, int32_t count) {
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
void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int32_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + TQS_GROUP - 1) / TQS_GROUP);
    const int32_t excess = (int32_t)tqs_excess(x, words * TQS_GROUP);
    int32_t row = 0;
    if (rows >= 4) {
        row = rows & ~3;
        tqs_quads quads = {
            .bias = bias,
            .excess = excess,
            .x = x,
            .quad_bytes = 16 * words,
            .multiplier = multiplier,
            .y = y,
            .half = shift > 32 ? 1 << (shift - 33) : 0,
            .high_shift = shift - 32,
            .y_end = y + row,
            .w = w,
        };
        tqs_four_rows_at_a_time(&quads);
        w = quads.w;
    }
    for (; row < rows; ++row, w += words) {
        const uint32_t start = (uint32_t)bias[row] - (uint32_t)excess;
        const int32_t acc = tqs_one_row(x, w, w + words, (int32_t)start);
        y[row] = tqs_sat16(tqs_requantize(acc, multiplier[row], shift));
    }
}
