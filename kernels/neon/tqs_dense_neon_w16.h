/* Internal: the loops of the NEON kernels with 16-bit weights and a 64-bit sum. The including
   file defines TQS_KERNEL and TQS_ACT_BITS (8, 16).

   The interleaved words of a quad of rows are one vector: two weights of each row, which go with
   the same two activations. VPADAL widens the sum of the two products to 64 bits. */
#include "tqs_neon.h"

#if TQS_ACT_BITS == 8
typedef int8_t tqs_act;
#else
typedef int16_t tqs_act;
#endif

typedef struct {
    int64x2_t rows01, rows23;
} tqs_acc;

/* The next eight activations. */
static inline int16x8_t tqs_load8(const tqs_act *x) {
#if TQS_ACT_BITS == 8
    return vmovl_s8(vld1_s8(x));
#else
    return vld1q_s16(x);
#endif
}

static inline tqs_acc tqs_add_word(tqs_acc acc, const uint32_t *w, int16x4_t pair) {
    const int16x8_t weights = vreinterpretq_s16_u32(vld1q_u32(w));
    acc.rows01 = vpadalq_s32(acc.rows01, vmull_s16(vget_low_s16(weights), pair));
    acc.rows23 = vpadalq_s32(acc.rows23, vmull_s16(vget_high_s16(weights), pair));
    return acc;
}
#define TQS_PAIR(x, half, lane) vreinterpret_s16_s32(vdup_lane_s32(half(x), lane))

static inline tqs_acc tqs_quad(const tqs_act *x, const uint32_t *w, int32_t words,
                               const int64_t *bias) {
    tqs_acc acc = {vld1q_s64(bias), vld1q_s64(bias + 2)};
    for (; words >= 4; words -= 4, x += 8, w += 16) {
        const int32x4_t pairs = vreinterpretq_s32_s16(tqs_load8(x));
        acc = tqs_add_word(acc, w, TQS_PAIR(pairs, vget_low_s32, 0));
        acc = tqs_add_word(acc, w + 4, TQS_PAIR(pairs, vget_low_s32, 1));
        acc = tqs_add_word(acc, w + 8, TQS_PAIR(pairs, vget_high_s32, 0));
        acc = tqs_add_word(acc, w + 12, TQS_PAIR(pairs, vget_high_s32, 1));
    }
    if (words > 0) {
        const int32x4_t pairs = vreinterpretq_s32_s16(tqs_load8(x));
        acc = tqs_add_word(acc, w, TQS_PAIR(pairs, vget_low_s32, 0));
        if (words > 1)
            acc = tqs_add_word(acc, w + 4, TQS_PAIR(pairs, vget_low_s32, 1));
        if (words > 2)
            acc = tqs_add_word(acc, w + 8, TQS_PAIR(pairs, vget_high_s32, 0));
    }
    return acc;
}

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int64_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    const int32_t words = (depth + 1) / 2;
    int32_t row = 0;
    for (; row < (rows & ~3); row += 4, w += 4 * words) {
        int64_t sums[4];
        const tqs_acc acc = tqs_quad(x, w, words, bias + row);
        vst1q_s64(sums, acc.rows01);
        vst1q_s64(sums + 2, acc.rows23);
        for (int32_t i = 0; i < 4; ++i)
            y[row + i] = tqs_sat16(tqs_requantize_acc64(sums[i], multiplier[row + i], shift));
    }
    for (; row < rows; ++row) {
        int64_t acc = bias[row];
        const tqs_act *pair = x;
        for (const uint32_t *const end = w + words; w != end; ++w, pair += 2) {
            acc += (int32_t)pair[0] * (int16_t)*w;
            acc += (int32_t)pair[1] * (int16_t)(*w >> 16);
        }
        y[row] = tqs_sat16(tqs_requantize_acc64(acc, multiplier[row], shift));
    }
}
