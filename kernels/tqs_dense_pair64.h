/* Internal: the loops of kernels for 16-bit weights on cores with a long multiply-accumulate. The
   including file defines TQS_KERNEL, TQS_ACT_BITS (8, 16) and, in assembly,
     TQS_PAIR_BLOCK    two rows of a quad: their words of two columns, from w on, times four
                       activations, from x on, into acc0 and acc1; may use xa, xb, va, vb
     TQS_SINGLE_BLOCK  the same for one row, whose words are neighbours */
#define TQS_WEIGHT_BITS 16
#define TQS_ACC_BITS 64
#include "tqs_dense_row.h"

/* One instruction per line: */
/* clang-format off */

/* Two rows on their way through the same activations. */
typedef struct {
    const tqs_act *x;
    const uint32_t *w;
    int64_t acc0, acc1;
} tqs_pair;

/* Blocks until w reaches `end`; at least one. */
static inline void tqs_add_pairs(tqs_pair *pair, const uint32_t *end) {
    uint32_t xa, xb, va, vb;
    __asm__ volatile(
        "1:\n\t"
        TQS_PAIR_BLOCK
        "cmp %[w], %[end]\n\t"
        "bne 1b"
        : [x] "+r"(pair->x), [w] "+r"(pair->w), [acc0] "+r"(pair->acc0), [acc1] "+r"(pair->acc1),
          [xa] "=&r"(xa), [xb] "=&r"(xb), [va] "=&r"(va), [vb] "=&r"(vb)
        : [end] "r"(end)
        : "cc", "memory");
}

/* The same for one row, whose words are neighbours. */
static inline void tqs_add_singles(tqs_pair *pair, const uint32_t *end) {
    uint32_t xa, xb, va, vb;
    __asm__ volatile(
        "1:\n\t"
        TQS_SINGLE_BLOCK
        "cmp %[w], %[end]\n\t"
        "bne 1b"
        : [x] "+r"(pair->x), [w] "+r"(pair->w), [acc0] "+r"(pair->acc0),
          [xa] "=&r"(xa), [xb] "=&r"(xb), [va] "=&r"(va), [vb] "=&r"(vb)
        : [end] "r"(end)
        : "cc", "memory");
}
/* clang-format on */

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int64_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + 1) / 2), even = words & ~1;
    int32_t row = 0;
    for (; row < (rows & ~3); row += 2) { /* rows 0 and 1 of a quad, or 2 and 3 */
        const uint32_t *const own = w + (row & ~3) * words + (row & 2);
        tqs_pair pair = {x, own, bias[row], bias[row + 1]};
        if (even)
            tqs_add_pairs(&pair, own + 4 * even);
        if (words & 1) {
            pair.acc0 = TQS_ADD(pair.acc0, pair.x, pair.w[0]);
            pair.acc1 = TQS_ADD(pair.acc1, pair.x, pair.w[1]);
        }
        y[row] = tqs_sat16(tqs_requantize_acc64(pair.acc0, multiplier[row], shift));
        y[row + 1] = tqs_sat16(tqs_requantize_acc64(pair.acc1, multiplier[row + 1], shift));
    }
    for (; row < rows; ++row) {
        const uint32_t *const own = w + row * words;
        tqs_pair pair = {x, own, bias[row], 0};
        if (even)
            tqs_add_singles(&pair, own + even);
        if (words & 1)
            pair.acc0 = TQS_ADD(pair.acc0, pair.x, *pair.w);
        y[row] = tqs_sat16(tqs_requantize_acc64(pair.acc0, multiplier[row], shift));
    }
}
