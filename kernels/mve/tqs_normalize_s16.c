/* Rows less their mean, over their deviation: one root per row, four elements at a time. */
#include "tqs_mve.h"
#include "tqs_rows.h"
#include "tqs_spread.h"

/* y = tqs_scale_s16(length * x - sum, factor, down). The product without its low 31 bits fits 32,
   and VRSHL rounds what it shifts out. */
static inline void tqs_scale_row(const int16_t *x, int32_t length, int32_t sum, uint32_t factor,
                                 int32_t down, int16_t *y) {
    const int32_t left = down < 32 ? 32 - down : 0, limit = INT32_MAX >> left;
    const int32_t right = 31 - (down + left);
    for (int32_t i = 0; i < length; i += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)(length - i));
        int32x4_t v = vsubq_n_s32(vmulq_n_s32(vldrhq_z_s32(x + i, some), length), sum);
        if (left) {
            v = vmaxq_s32(vminq_s32(v, vdupq_n_s32(limit)), vdupq_n_s32(-limit));
            v = vshlq_r_s32(v, left);
        }
        v = vrshlq_n_s32(vqdmulhq_n_s32(v, (int32_t)factor), right);
        const int16x8_t low = vqmovnbq_s32(vuninitializedq_s16(), v);
        vstrhq_p_s32(y + i, vreinterpretq_s32_s16(low), some);
    }
}

void tqs_normalize_s16(const int16_t *restrict x, int64_t epsilon, int32_t multiplier,
                       int32_t shift, int16_t *restrict y, int32_t rows, int32_t length) {
    for (int32_t row = 0; row < rows; ++row, x += length, y += length) {
        const tqs_spread spread = tqs_spread_of(x, epsilon, length);
        const uint64_t root = tqs_inverse_root(spread.mantissa);
        const uint32_t factor = (uint32_t)(root * (uint32_t)multiplier >> 31);
        tqs_scale_row(x, length, spread.sum, factor, shift + 31 - spread.half, y);
    }
}
