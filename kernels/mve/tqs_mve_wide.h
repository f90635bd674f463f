/* Internal: the MVE dense kernels for 16-bit weights. The including file defines TQS_KERNEL and
   TQS_ACT_BITS (8, 16).

   VMLALDAVA adds eight products of 16 bits to a 64-bit accumulator in two registers. A block is
   four words of each of four rows: 4 loads of weights, one of x, which widens bytes, and 4
   VMLALDAVA. */
#include "tqs_mve.h"

#if TQS_ACT_BITS == 16
typedef int16_t tqs_act;
#define TQS_LOAD_EIGHT "vldrh.u16 q4, [%[x]], #16\n\t"
#define tqs_eight(x) vldrhq_s16(x)
#else
typedef int8_t tqs_act;
#define TQS_LOAD_EIGHT "vldrb.s16 q4, [%[x]], #8\n\t"
#define tqs_eight(x) vldrbq_s16(x)
#endif

enum { TQS_BLOCK_WORDS = 4, TQS_BLOCK = 8 };

/* One instruction per line: */
/* clang-format off */

/* acc of four rows += their words in `blocks` whole blocks. */
static inline void tqs_add_blocks(int64_t *acc, const tqs_act *x, const uint32_t *w,
                                  int32_t blocks) {
    __asm__ volatile(
        "mov lr, %[blocks]\n\t"
        "ldm %[acc], {r0, r1, r2, r3, r4, r5, r8, r9}\n\t"
        "wls lr, lr, 2f\n"
        "1:\n\t"
        "vld40.32 {q0, q1, q2, q3}, [%[w]]\n\t"
        "vld41.32 {q0, q1, q2, q3}, [%[w]]\n\t"
        "vld42.32 {q0, q1, q2, q3}, [%[w]]\n\t"
        "vld43.32 {q0, q1, q2, q3}, [%[w]]!\n\t"
        TQS_LOAD_EIGHT
        "vmlaldava.s16 r0, r1, q0, q4\n\t"
        "vmlaldava.s16 r2, r3, q1, q4\n\t"
        "vmlaldava.s16 r4, r5, q2, q4\n\t"
        "vmlaldava.s16 r8, r9, q3, q4\n\t"
        "le lr, 1b\n"
        "2:\n\t"
        "stm %[acc], {r0, r1, r2, r3, r4, r5, r8, r9}"
        : [x] "+l"(x), [w] "+r"(w), [blocks] "+r"(blocks)
        : [acc] "r"(acc)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r8", "r9", "lr", "cc", "memory", "q0", "q1", "q2",
          "q3", "q4");
}
/* clang-format on */

/* acc + the part of one row that begins at x and w; its words are `stride` words apart. */
static inline int64_t tqs_add_row(int64_t acc, const tqs_act *x, const uint32_t *w, uint32_t stride,
                                  int32_t words) {
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 4), stride);
    for (; words > 0; words -= TQS_BLOCK_WORDS, w += TQS_BLOCK_WORDS * stride, x += TQS_BLOCK) {
        const uint32x4_t weights =
            vldrwq_gather_offset_z_u32(w, offsets, vctp32q((uint32_t)words));
        acc = vmlaldavaq_s16(acc, vreinterpretq_s16_u32(weights), tqs_eight(x));
    }
    return acc;
}

/* sat16((acc * multiplier + half) >> shift), half = 2^(shift-1). That multiplier is not negative
   spares the compiler its high word. */
static inline int16_t tqs_output(int64_t acc, int32_t multiplier, int64_t half, int32_t shift) {
    return tqs_sat16(tqs_shift_high(acc * (int64_t)(uint32_t)multiplier + half, shift));
}

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int64_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + 1) / 2);
    const int32_t whole = words & ~(TQS_BLOCK_WORDS - 1);
    const tqs_act *const x_tail = x + 2 * whole;
    const int64_t half = INT64_C(1) << (shift - 1);
    int32_t row = 0;
    for (; row + 3 < rows; row += 4, w += 4 * words) {
        int64_t acc[4] = {bias[row], bias[row + 1], bias[row + 2], bias[row + 3]};
        tqs_add_blocks(acc, x, w, whole / TQS_BLOCK_WORDS);
        for (int32_t r = 0; r < 4; ++r) {
            if (whole != words)
                acc[r] = tqs_add_row(acc[r], x_tail, w + 4 * whole + r, 4, words - whole);
            y[row + r] = tqs_output(acc[r], multiplier[row + r], half, shift);
        }
    }
    for (; row < rows; ++row, w += words) {
        const int64_t acc = tqs_add_row(bias[row], x, w, 1, words);
        y[row] = tqs_output(acc, multiplier[row], half, shift);
    }
}
