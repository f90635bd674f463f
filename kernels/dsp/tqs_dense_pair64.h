/* Internal: the loops of the DSP kernels for 16-bit weights. The including file defines TQS_KERNEL
   and TQS_ACT_BITS (8, 16).

   SMLALD adds two products of 16 bits to a 64-bit accumulator, which leaves registers for two rows.
   A block is four activations and two words of each row. */
#define TQS_WEIGHT_BITS 16
#include "tqs_dense_words.h"
#include "tqs_dsp.h"

#if TQS_ACT_BITS == 16
#define TQS_LOAD_FOUR TQS_LOAD_X("%[x]", "%[xa]", "%[xb]")
#define TQS_ADD_WORD tqs_add64_a16w16
#else
/* 16-bit weights lie in natural order, so (0, 2), (1, 3) become (0, 1), (2, 3). */
#define TQS_LOAD_FOUR                                                                              \
    TQS_LOAD_X("%[x]", "%[va]", "%[vb]")                                                           \
    "pkhbt %[xa], %[va], %[vb], lsl #16\n\t"                                                       \
    "pkhtb %[xb], %[vb], %[va], asr #16\n\t"
#define TQS_ADD_WORD tqs_add64_a8w16
#endif

/* One instruction per line: */
/* clang-format off */
#define TQS_ROW(acc, w)                                                                            \
    "ldrd %[va], %[vb], [%[" w "]], #8\n\t"                                                        \
    "smlald %Q[" acc "], %R[" acc "], %[va], %[xa]\n\t"                                            \
    "smlald %Q[" acc "], %R[" acc "], %[vb], %[xb]\n\t"

/* Two rows on their way through the same activations. */
typedef struct {
    const tqs_act *x;
    const uint32_t *w0, *w1;
    int64_t acc0, acc1;
} tqs_pair;

/* Blocks until row 0 reaches `end`; at least one. */
static inline void tqs_add_blocks(tqs_pair *pair, const uint32_t *end) {
    uint32_t xa, xb, va, vb;
    __asm__ volatile(
        "1:\n\t"
        TQS_LOAD_FOUR
        TQS_ROW("acc0", "w0")
        TQS_ROW("acc1", "w1")
        "cmp %[w0], %[end]\n\t"
        "bne 1b"
        : [x] "+r"(pair->x), [w0] "+r"(pair->w0), [w1] "+r"(pair->w1), [acc0] "+r"(pair->acc0),
          [acc1] "+r"(pair->acc1), [xa] "=&r"(xa), [xb] "=&r"(xb), [va] "=&r"(va), [vb] "=&r"(vb)
        : [end] "r"(end)
        : "cc", "memory");
}
/* clang-format on */

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int64_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + 1) / 2);
    for (int32_t row = 0; row < rows; row += 2) {
        const int32_t other = row + 1 < rows ? row + 1 : row; /* an odd last row beside itself */
        tqs_pair pair = {x, w + row * words, w + other * words, bias[row], bias[other]};
        if (words > 1)
            tqs_add_blocks(&pair, pair.w0 + (words & ~1));
        if (words & 1) {
            pair.acc0 = TQS_ADD_WORD(pair.acc0, pair.x, *pair.w0);
            pair.acc1 = TQS_ADD_WORD(pair.acc1, pair.x, *pair.w1);
        }
        y[row] = tqs_sat16(tqs_requantize_acc64(pair.acc0, multiplier[row], shift));
        y[other] = tqs_sat16(tqs_requantize_acc64(pair.acc1, multiplier[other], shift));
    }
}
