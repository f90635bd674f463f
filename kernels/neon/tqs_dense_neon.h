/* Internal: the loops of the NEON kernels with a 32-bit accumulator. The including file defines
   TQS_KERNEL, TQS_ACT_BITS (8, 16) and TQS_WEIGHT_BITS (2, 4, 8).

   The interleaved words of a quad of rows are one vector: a word of each row. Field f of all its
   bytes holds four weights of each row. A block is sixteen activations in the order of the fields,
   and the one, two or four words of each row that go with them. Sums are kept modulo 2^32. */
#if TQS_ACT_BITS == 8
#include "tqs_neon_a8.h"
#else
#include "tqs_neon_a16.h"
#endif
#include "tqs_dense_words.h"

#define TQS_GROUP (32 / TQS_WEIGHT_BITS)
#define TQS_BLOCK_WORDS (16 / TQS_GROUP)
#define TQS_JOIN_(act, weight) tqs_add32_a##act##w##weight
#define TQS_JOIN(act, weight) TQS_JOIN_(act, weight)
#define TQS_ADD_WORD TQS_JOIN(TQS_ACT_BITS, TQS_WEIGHT_BITS)

/* Four weights of each row: the field from bit `at` on of every byte, less its offset. */
#if TQS_WEIGHT_BITS == 8
#define TQS_WORD(acc, words, x, number) TQS_ADD4(acc, vreinterpretq_s8_u8(words), x, number)
#else
#define TQS_MASK ((1 << TQS_WEIGHT_BITS) - 1)
#define TQS_FIELD(bytes)                                                                           \
    vsubq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(1 << (TQS_WEIGHT_BITS - 1)))
#define TQS_LOWEST(words) TQS_FIELD(vandq_u8(words, vdupq_n_u8(TQS_MASK)))
#define TQS_HIGHEST(words) TQS_FIELD(vshrq_n_u8(words, 8 - TQS_WEIGHT_BITS))
#if TQS_WEIGHT_BITS == 4
#define TQS_WORD(acc, words, x, number)                                                            \
    do {                                                                                           \
        TQS_ADD4(acc, TQS_LOWEST(words), x, 2 * (number));                                         \
        TQS_ADD4(acc, TQS_HIGHEST(words), x, 2 * (number) + 1);                                    \
    } while (0)
#else
#define TQS_MIDDLE(words, at) TQS_FIELD(vandq_u8(vshrq_n_u8(words, at), vdupq_n_u8(TQS_MASK)))
#define TQS_WORD(acc, words, x, number)                                                            \
    do {                                                                                           \
        TQS_ADD4(acc, TQS_LOWEST(words), x, 0);                                                    \
        TQS_ADD4(acc, TQS_MIDDLE(words, 2), x, 1);                                                 \
        TQS_ADD4(acc, TQS_MIDDLE(words, 4), x, 2);                                                 \
        TQS_ADD4(acc, TQS_HIGHEST(words), x, 3);                                                   \
    } while (0)
#endif
#endif

static inline uint8x16_t tqs_words_at(const uint32_t *w) {
    return vreinterpretq_u8_u32(vld1q_u32(w));
}

/* The sums of a quad without its bias. */
static inline int32x4_t tqs_quad(const tqs_act *x, const uint32_t *w, int32_t words) {
    tqs_acc acc = tqs_zero();
    for (; words >= TQS_BLOCK_WORDS; words -= TQS_BLOCK_WORDS) {
        const tqs_block block = tqs_block_of(x);
        TQS_WORD(acc, tqs_words_at(w), block, 0);
#if TQS_BLOCK_WORDS >= 2
        TQS_WORD(acc, tqs_words_at(w + 4), block, 1);
#endif
#if TQS_BLOCK_WORDS >= 4
        TQS_WORD(acc, tqs_words_at(w + 8), block, 2);
        TQS_WORD(acc, tqs_words_at(w + 12), block, 3);
#endif
        x += 16;
        w += 4 * TQS_BLOCK_WORDS;
    }
#if TQS_BLOCK_WORDS >= 2
    if (words > 0) {
        const tqs_block block = tqs_block_of(x);
        TQS_WORD(acc, tqs_words_at(w), block, 0);
#if TQS_BLOCK_WORDS >= 4
        if (words > 1)
            TQS_WORD(acc, tqs_words_at(w + 4), block, 1);
        if (words > 2)
            TQS_WORD(acc, tqs_words_at(w + 8), block, 2);
#endif
    }
#endif
    return tqs_rows_of(acc);
}

/* The sum of one row without its bias; its words are not interleaved. */
static inline uint32_t tqs_one_row(const tqs_act *x, const uint32_t *w, int32_t words) {
    uint32_t acc = 0;
    for (const uint32_t *const end = w + words; w != end; x += TQS_GROUP) {
        acc = TQS_ADD_WORD(acc, x, *w++);
#if TQS_WEIGHT_BITS < 8
        for (int32_t i = 0; i < TQS_GROUP; ++i)
            acc -= tqs_mul32(x[i], 1 << (TQS_WEIGHT_BITS - 1));
#endif
    }
    return acc;
}

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int32_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    const int32_t words = (depth + TQS_GROUP - 1) / TQS_GROUP;
    int32_t row = 0;
    for (; row < (rows & ~3); row += 4, w += 4 * words) {
        const int32x4_t acc = vaddq_s32(vld1q_s32(bias + row), tqs_quad(x, w, words));
        tqs_requantize_rows(y + row, acc, multiplier + row, shift);
    }
    for (; row < rows; ++row, w += words) {
        const uint32_t acc = (uint32_t)bias[row] + tqs_one_row(x, w, words);
        y[row] = tqs_sat16(tqs_requantize((int32_t)acc, multiplier[row], shift));
    }
}
