/* Internal: the loops of the DSP kernels with a 32-bit accumulator. The including file defines
   TQS_KERNEL, TQS_ACT_BITS (8, 16) and TQS_WEIGHT_BITS (2, 4, 8).

   Four rows per pass share every load (and extension) of x. One block is four activations in two
   registers; each row loads its word, cuts the four weights out of it (SXTB16, or AND with a
   shifted operand) and adds them with two SMLAD. A word of 4-bit (2-bit) weights serves two (four)
   blocks and is loaded again for each, which is cheaper than a register to keep it. */
#include "tqs_dsp.h"

/* One instruction per line: */
/* clang-format off */

/* The weights of a block: two half words at bit `a` of v into A, two at bit `b` into v itself. */
#if TQS_WEIGHT_BITS == 8
#define TQS_CUT(v, A, a, b, MASK) "sxtb16 " A ", " v "\n\t"
#define TQS_CUT_LAST(v, b, MASK) "sxtb16 " v ", " v ", ror #8\n\t"
#define TQS_WORD(BLOCK) BLOCK(0, 8, "], #4")
#define TQS_MASK "0"
#else
#define TQS_CUT(v, A, a, b, MASK) "and " A ", " MASK ", " v ", lsr #" #a "\n\t"
#define TQS_CUT_LAST(v, b, MASK) "and " v ", " MASK ", " v ", lsr #" #b "\n\t"
#if TQS_WEIGHT_BITS == 4
#define TQS_WORD(BLOCK) BLOCK(0, 4, "]") BLOCK(8, 12, "], #4")
#define TQS_MASK "0x000F000F"
#else
#define TQS_WORD(BLOCK) BLOCK(0, 2, "]") BLOCK(4, 6, "]") BLOCK(8, 10, "]") BLOCK(12, 14, "], #4")
#define TQS_MASK "0x00030003"
#endif
#endif

/* One row of a block: v from the address `FROM`, acc += its four weights times xa, xb. */
#define TQS_ROW(acc, FROM, v, t, xa, xb, a, b, MASK)                                               \
    "ldr " v ", " FROM "\n\t"                                                                      \
    TQS_CUT(v, t, a, b, MASK)                                                                      \
    "smlad " acc ", " t ", " xa ", " acc "\n\t"                                                    \
    TQS_CUT_LAST(v, b, MASK)                                                                       \
    "smlad " acc ", " v ", " xb ", " acc "\n\t"

/* A call of the kernel as the loop over quads sees it. The assembly knows the offsets. */
typedef struct {
    const tqs_act *x;          /*  0 */
    int32_t stride;            /*  4: bytes from row to row */
    int32_t excess;            /*  8 */
    const int32_t *bias;       /* 12 */
    const int32_t *multiplier; /* 16 */
    int16_t *y;                /* 20 */
    const int16_t *y_end;      /* 24: a multiple of four rows */
    int32_t half;              /* 28: 2^(shift-1) without its low word, which is 0 */
    int32_t high_shift;        /* 32: shift - 32 */
    const uint32_t *w;         /* 36 */
} tqs_quads;
typedef char tqs_quads_layout[offsetof(tqs_quads, w) == 36 ? 1 : -1];

#define TQS_QUAD_BLOCK(a, b, NEXT)                                                                 \
    TQS_LOAD_X("r4", "r5", "r6")                                                                   \
    TQS_ROW("r1", "[r9, r11]", "r7", "r8", "r5", "r6", a, b, "lr")                                 \
    TQS_ROW("r0", "[r9" NEXT, "r7", "r8", "r5", "r6", a, b, "lr")                                  \
    TQS_ROW("r3", "[r10, r11]", "r7", "r8", "r5", "r6", a, b, "lr")                                \
    TQS_ROW("r2", "[r10" NEXT, "r7", "r8", "r5", "r6", a, b, "lr")

#if TQS_WEIGHT_BITS < 8
#define TQS_SUBTRACT_EXCESS                                                                        \
    "sub r0, r0, r7\n\tsub r1, r1, r7\n\tsub r2, r2, r7\n\tsub r3, r3, r7\n\t"
#else
#define TQS_SUBTRACT_EXCESS ""
#endif

#define TQS_QUAD_OUTPUT(acc, multiplier)                                                           \
    "smmla " acc ", " acc ", " multiplier ", r8\n\t"                                               \
    "asr " acc ", " acc ", r10\n\t"                                                                \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [r11], #2\n\t"

/* All passes in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (12 bytes of stack that the compiler does not count).
   r0-r3 accumulators, r4 x, r5 r6 activations, r7 r8 weights, r9 rows 0 and 1, r10 rows 2 and 3,
   r11 stride, r12 end of row 0, lr mask. */
static inline void tqs_four_rows_at_a_time(tqs_quads *quads) {
    register tqs_quads *r0 __asm__("r0") = quads;
    __asm__ volatile(
        "push {r0, r7, r11}\n\t"
        "mov r12, r0\n\t"
        "ldr r9, [r12, #36]\n\t"
        "mov lr, #" TQS_MASK "\n"
        "2:\n\t" /* a pass over four rows */
        "ldrd r7, r8, [r12, #8]\n\t"
        "ldm r8!, {r0-r3}\n\t"
        "str r8, [r12, #12]\n\t" TQS_SUBTRACT_EXCESS
        "ldrd r4, r11, [r12]\n\t"
        "add r10, r9, r11, lsl #1\n\t"
        "add r12, r9, r11\n"
        "1:\n\t" /* a word of each row */
        TQS_WORD(TQS_QUAD_BLOCK)
        "cmp r9, r12\n\t"
        "bne 1b\n\t"
        "add r9, r10, r11\n\t"
        "ldr r12, [sp]\n\t"
        "ldrd r10, r11, [r12, #16]\n\t"
        "ldm r10!, {r4-r7}\n\t"
        "str r10, [r12, #16]\n\t"
        "ldrd r8, r10, [r12, #28]\n\t"
        TQS_QUAD_OUTPUT("r0", "r4")
        TQS_QUAD_OUTPUT("r1", "r5")
        TQS_QUAD_OUTPUT("r2", "r6")
        TQS_QUAD_OUTPUT("r3", "r7")
        "str r11, [r12, #20]\n\t"
        "ldr r10, [r12, #24]\n\t"
        "cmp r11, r10\n\t"
        "bne 2b\n\t"
        "str r9, [r12, #36]\n\t"
        "pop {r0, r7, r11}"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}

#define TQS_SINGLE_BLOCK(a, b, NEXT)                                                               \
    TQS_LOAD_X("%[x]", "%[xa]", "%[xb]")                                                           \
    TQS_ROW("%[acc]", "[%[w]" NEXT, "%[v]", "%[t]", "%[xa]", "%[xb]", a, b, "%[mask]")

/* The accumulator of the one row [w, end). */
static inline int32_t tqs_one_row(const tqs_act *x, const uint32_t *w, const uint32_t *end,
                                  int32_t acc) {
    uint32_t xa, xb, v, t, mask;
    __asm__ volatile(
        "mov %[mask], #" TQS_MASK "\n"
        "1:\n\t"
        TQS_WORD(TQS_SINGLE_BLOCK)
        "cmp %[w], %[end]\n\t"
        "bne 1b"
        : [x] "+r"(x), [w] "+r"(w), [acc] "+r"(acc), [xa] "=&r"(xa), [xb] "=&r"(xb),
          [v] "=&r"(v), [t] "=&r"(t), [mask] "=&r"(mask)
        : [end] "r"(end)
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
    if (rows >= 4 && shift > 32) { /* at shift 32 the rounding constant is in the low word */
        row = rows & ~3;
        tqs_quads quads = {
            .x = x,
            .stride = 4 * words,
            .excess = excess,
            .bias = bias,
            .multiplier = multiplier,
            .y = y,
            .y_end = y + row,
            .half = 1 << (shift - 33),
            .high_shift = shift - 32,
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
