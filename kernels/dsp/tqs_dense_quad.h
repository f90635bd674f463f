/* Internal: the loops of the dense kernels for cores with the DSP extension, 32-bit accumulator.
   The including file defines TQS_KERNEL, TQS_ACT_BITS (8, 16) and TQS_WEIGHT_BITS (2, 4, 8).

   Four rows per pass share every load (and extension) of x. One block is four activations, held as
   two registers of two half words; each row loads its word, cuts the four weights out of it with
   SXTB16 or AND and accumulates them with two SMLAD. A word of 4-bit (2-bit) weights serves two
   (four) blocks and is loaded again for each: that is cheaper than the registers to keep it.

   The loops are assembly because GCC 12 schedules the same intrinsics until they spill, and folds
   neither the rotation into SXTB16 nor two loads into LDRD. */
#ifndef __ARM_FEATURE_DSP
#error "this file needs a core with the DSP extension; build the portable file of the same name"
#endif

#include "tqs_fixed.h"
#include "tqs_kernels.h"

#define TQS_GROUP (32 / TQS_WEIGHT_BITS)

/* Four activations from [x] into the half words of [xa] and [xb]: (0, 1), (2, 3) or, as bytes
   extend, (0, 2), (1, 3). */
#if TQS_ACT_BITS == 16
typedef int16_t tqs_act;
#define TQS_LOAD_X "ldrd %[xa], %[xb], [%[x]], #8\n\t"
#else
typedef int8_t tqs_act;
#define TQS_LOAD_X                                                                                 \
    "ldr %[xb], [%[x]], #4\n\t"                                                                    \
    "sxtb16 %[xa], %[xb]\n\t"                                                                      \
    "sxtb16 %[xb], %[xb], ror #8\n\t"
#endif

/* acc += the four weights at bit `a` and bit `b` of both half words of [v], times [xa], [xb]. */
#if TQS_WEIGHT_BITS == 8
#define TQS_CUT_A(a) "sxtb16 %[t], %[v]\n\t"
#define TQS_CUT_B(b) "sxtb16 %[v], %[v], ror #8\n\t"
#define TQS_MASK 0u /* not used */
#else
#define TQS_CUT_A(a) "and %[t], %[m], %[v], lsr #" #a "\n\t"
#define TQS_CUT_B(b) "and %[v], %[m], %[v], lsr #" #b "\n\t"
#define TQS_MASK (TQS_WEIGHT_BITS == 4 ? 0x000F000Fu : 0x00030003u)
#endif
#define TQS_ROW(acc, a, b)                                                                         \
    TQS_CUT_A(a)                                                                                   \
    "smlad %[" acc "], %[t], %[xa], %[" acc "]\n\t" TQS_CUT_B(b)                                   \
    "smlad %[" acc "], %[v], %[xb], %[" acc "]\n\t"

/* One block of four rows, or of one; NEXT is "], #4" where the word is finished, else "]". Rows 2
   and 3 have a pointer of their own where no mask takes its register. */
#if TQS_WEIGHT_BITS == 8
#define TQS_FOUR_ROWS(a, b, NEXT)                                                                  \
    TQS_LOAD_X                                                                                     \
    "ldr %[v], [%[w], %[stride]]\n\t" TQS_ROW("acc1", a, b)                                        \
    "ldr %[v], [%[w]" NEXT "\n\t" TQS_ROW("acc0", a, b)                                            \
    "ldr %[v], [%[m], %[stride]]\n\t" TQS_ROW("acc3", a, b)                                        \
    "ldr %[v], [%[m]" NEXT "\n\t" TQS_ROW("acc2", a, b)
#else
#define TQS_FOUR_ROWS(a, b, NEXT)                                                                  \
    TQS_LOAD_X                                                                                     \
    "ldr %[v], [%[w], %[stride]]\n\t" TQS_ROW("acc1", a, b)                                        \
    "ldr %[v], [%[w], %[stride], lsl #1]\n\t" TQS_ROW("acc2", a, b)                                \
    "add %[t], %[w], %[stride], lsl #1\n\t"                                                        \
    "ldr %[v], [%[t], %[stride]]\n\t" TQS_ROW("acc3", a, b)                                        \
    "ldr %[v], [%[w]" NEXT "\n\t" TQS_ROW("acc0", a, b)
#endif

#define TQS_ONE_ROW(a, b, NEXT)                                                                    \
    TQS_LOAD_X                                                                                     \
    "ldr %[v], [%[w]" NEXT "\n\t" TQS_ROW("acc0", a, b)

/* All blocks of one word. */
#if TQS_WEIGHT_BITS == 8
#define TQS_WORD(BLOCK) BLOCK(0, 8, "], #4")
#elif TQS_WEIGHT_BITS == 4
#define TQS_WORD(BLOCK) BLOCK(0, 4, "]") BLOCK(8, 12, "], #4")
#else
#define TQS_WORD(BLOCK)                                                                            \
    BLOCK(0, 2, "]") BLOCK(4, 6, "]") BLOCK(8, 10, "]") BLOCK(12, 14, "], #4")
#endif

static inline uint32_t tqs_one_row(const tqs_act *x, const uint32_t *w, const uint32_t *end,
                                   uint32_t acc0) {
    uint32_t xa, xb, v, t;
    __asm__("1:\n\t" TQS_WORD(TQS_ONE_ROW) "cmp %[w], %[end]\n\t"
            "bne 1b"
            : [x] "+r"(x), [w] "+r"(w), [acc0] "+r"(acc0), [xa] "=&r"(xa), [xb] "=&r"(xb),
              [v] "=&r"(v), [t] "=&r"(t)
            : [end] "r"(end), [m] "r"(TQS_MASK)
            : "cc", "memory");
    return acc0;
}

/* Four rows in flight. */
typedef struct {
    int32_t acc0, acc1, acc2, acc3;
} tqs_quad;

static inline void tqs_four_rows(const tqs_act *x, const uint32_t *w, int32_t stride,
                                 const uint32_t *end, tqs_quad *quad) {
    uint32_t xa, xb, v, t, m;
#if TQS_WEIGHT_BITS == 8
    m = (uint32_t)(uintptr_t)w + 2u * (uint32_t)stride;
#else
    m = TQS_MASK;
#endif
    __asm__("1:\n\t" TQS_WORD(TQS_FOUR_ROWS) "cmp %[w], %[end]\n\t"
            "bne 1b"
            : [x] "+r"(x), [w] "+r"(w), [acc0] "+r"(quad->acc0), [acc1] "+r"(quad->acc1),
              [acc2] "+r"(quad->acc2), [acc3] "+r"(quad->acc3), [xa] "=&r"(xa), [xb] "=&r"(xb),
              [v] "=&r"(v), [t] "=&r"(t), [m] "+r"(m)
            : [stride] "r"(stride), [end] "r"(end)
            : "cc", "memory");
}

/* 2^(bits-1) * sum(x): what offset-binary weights add too much to every row, padding included. */
static inline uint32_t tqs_excess(const tqs_act *x, int32_t count) {
#if TQS_WEIGHT_BITS < 8
    int32_t sum = 0;
    for (int32_t i = 0; i < count; ++i) sum += x[i];
    return (uint32_t)sum << (TQS_WEIGHT_BITS - 1);
#else
    (void)x;
    (void)count;
    return 0;
#endif
}

/* sat16((acc * multiplier + 2^(shift-1)) >> shift). For shift > 32 the rounding constant has no low
   word, so it can be added to the product's high word; at 32 SMMULR rounds that itself. */
static inline int16_t tqs_output(int32_t acc, int32_t multiplier, int32_t shift) {
    int32_t r;
    if (shift > 32) {
        __asm__("smmla %0, %1, %2, %3\n\tasr %0, %0, %4\n\tssat %0, #16, %0"
                : "=&r"(r)
                : "r"(acc), "r"(multiplier), "r"(1 << (shift - 33)), "r"(shift - 32));
    } else {
        __asm__("smmulr %0, %1, %2\n\tssat %0, #16, %0" : "=&r"(r) : "r"(acc), "r"(multiplier));
    }
    return (int16_t)r;
}

#define TQS_OUTPUT_TWO(a, b)                                                                       \
    "ldrd %[m0], %[m1], [%[multiplier]], #8\n\t"                                                   \
    "smmla %[" a "], %[" a "], %[m0], %[half]\n\t"                                                 \
    "smmla %[" b "], %[" b "], %[m1], %[half]\n\t"                                                 \
    "asr %[" a "], %[" a "], %[high_shift]\n\t"                                                    \
    "asr %[" b "], %[" b "], %[high_shift]\n\t"                                                    \
    "ssat %[" a "], #16, %[" a "]\n\t"                                                             \
    "ssat %[" b "], #16, %[" b "]\n\t"                                                             \
    "strh %[" a "], [%[y]], #2\n\t"                                                                \
    "strh %[" b "], [%[y]], #2\n\t"

static inline int16_t *tqs_output_quad(tqs_quad *quad, const int32_t *multiplier, int32_t shift, int16_t *y) {
    if (shift > 32) {
        int32_t m0, m1;
        __asm__(TQS_OUTPUT_TWO("acc0", "acc1") TQS_OUTPUT_TWO("acc2", "acc3")
                : [acc0] "+r"(quad->acc0), [acc1] "+r"(quad->acc1), [acc2] "+r"(quad->acc2),
                  [acc3] "+r"(quad->acc3), [multiplier] "+r"(multiplier), [y] "+r"(y), [m0] "=&r"(m0), [m1] "=&r"(m1)
                : [half] "r"(1 << (shift - 33)), [high_shift] "r"(shift - 32)
                : "memory");
    } else {
        *y++ = tqs_output(quad->acc0, multiplier[0], shift);
        *y++ = tqs_output(quad->acc1, multiplier[1], shift);
        *y++ = tqs_output(quad->acc2, multiplier[2], shift);
        *y++ = tqs_output(quad->acc3, multiplier[3], shift);
    }
    return y;
}

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w,
                const int32_t *restrict bias, const int32_t *restrict multiplier, int32_t shift,
                int16_t *restrict y, int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT(((uintptr_t)x & 3u) == 0 && ((uintptr_t)w & 3u) == 0);
    const int32_t words = (depth + TQS_GROUP - 1) / TQS_GROUP;
    const int32_t stride = 4 * words;
    const int32_t excess = tqs_excess(x, words * TQS_GROUP);
    int16_t *const y_end = y + rows;
    int16_t *const quads_end = y + (rows & ~3);
    while (y != quads_end) {
        tqs_quad quad;
        __asm__("ldrd %0, %1, [%4], #8\n\tldrd %2, %3, [%4], #8"
                : "=&r"(quad.acc0), "=&r"(quad.acc1), "=&r"(quad.acc2), "=&r"(quad.acc3),
                  "+r"(bias)
                :
                : "memory");
        if (TQS_WEIGHT_BITS < 8) {
            quad.acc0 = (int32_t)((uint32_t)quad.acc0 - excess);
            quad.acc1 = (int32_t)((uint32_t)quad.acc1 - excess);
            quad.acc2 = (int32_t)((uint32_t)quad.acc2 - excess);
            quad.acc3 = (int32_t)((uint32_t)quad.acc3 - excess);
        }
        tqs_four_rows(x, w, stride, w + words, &quad);
        w += stride;
        y = tqs_output_quad(&quad, multiplier, shift, y);
        multiplier += 4;
    }
    for (; y != y_end; ++y, w += words) {
        const uint32_t acc = tqs_one_row(x, w, w + words, (uint32_t)*bias++ - excess);
        *y = tqs_output((int32_t)acc, *multiplier++, shift);
    }
}
