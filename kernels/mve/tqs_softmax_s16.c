/* Softmax of 16-bit rows, four elements at a time: y holds the exponentials as unsigned Q15 until
   their sum is known. Products are taken without their low 31 bits, and VRSHL rounds. */
#include "tqs_mve.h"
#include "tqs_power.h"
#include "tqs_rows.h"

/* 2^-power in Q30; power >= 0 in Q16. */
static inline uint32x4_t exp2_of_minus(int32x4_t power, const int16_t *table) {
    const uint32x4_t part = vreinterpretq_u32_s32(vandq_s32(power, vdupq_n_s32(0xFFFF)));
    const uint32x4_t index = vshrq_n_u32(part, 9);
    const int32x4_t rest = vandq_s32(power, vdupq_n_s32(0x1FF));
    const int32x4_t low = vldrhq_gather_shifted_offset_s32(table, index);
    const int32x4_t high = vldrhq_gather_shifted_offset_s32(table + 1, index);
    const int32x4_t rise = vrshrq_n_s32(vmulq_s32(vsubq_s32(high, low), rest), 9);
    const int32x4_t kept = vsubq_s32(vdupq_n_s32(65536), vaddq_s32(low, rise));
    const int32x4_t whole = vminq_s32(vshrq_n_s32(power, 16), vdupq_n_s32(31));
    return vshlq_u32(vreinterpretq_u32_s32(vshlq_n_s32(kept, 14)), vnegq_s32(whole));
}

static inline int16_t largest(const int16_t *x, int32_t length) {
    int16_t top = INT16_MIN;
    for (int32_t i = 0; i < length; i += 8) {
        const mve_pred16_t some = vctp16q((uint32_t)(length - i));
        top = vmaxvq_p_s16(top, vldrhq_z_s16(x + i, some), some);
    }
    return top;
}

/* The sum of the exponentials in Q30. */
static inline uint64_t tqs_powers(const int16_t *x, const int16_t *table, int32_t multiplier,
                                  int32_t shift, int16_t *y, int32_t length) {
    const int16_t top = largest(x, length);
    uint64_t sum = 0;
    for (int32_t i = 0; i < length; i += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)(length - i));
        const int32x4_t below = vsubq_s32(vdupq_n_s32(top), vldrhq_z_s32(x + i, some));
        const int32x4_t product = vqdmulhq_n_s32(vshlq_n_s32(below, 15), multiplier);
        const uint32x4_t terms = exp2_of_minus(vrshlq_n_s32(product, 31 - shift), table);
        sum = vaddlvaq_p_u32(sum, terms, some);
        vstrhq_p_u32((uint16_t *)y + i, vrshrq_n_u32(terms, 15), some);
    }
    return sum;
}

void tqs_softmax_s16(const int16_t *restrict x, const int16_t *restrict table, int32_t multiplier,
                     int32_t shift, int32_t sum_bits, int16_t *restrict y, int32_t rows,
                     int32_t length) {
    for (int32_t row = 0; row < rows; ++row, x += length, y += length) {
        const uint64_t sum = tqs_powers(x, table, multiplier, shift, y, length);
        const uint32_t total = (uint32_t)(sum >> (30 - sum_bits));
        const int32_t zeros = tqs_leading_zeros(total);
        const uint32x4_t inverse = vdupq_n_u32(tqs_reciprocal(total << zeros));
        for (int32_t i = 0; i < length; i += 4) {
            const mve_pred16_t some = vctp32q((uint32_t)(length - i));
            const uint32x4_t terms = vldrhq_z_u32((const uint16_t *)y + i, some);
            const uint32x4_t product = vmulhq_u32(vshlq_n_u32(terms, 2), inverse);
            const uint32x4_t share = vrshlq_n_u32(product, sum_bits + zeros - 32);
            const int16x8_t low = vqmovnbq_s32(vuninitializedq_s16(), vreinterpretq_s32_u32(share));
            vstrhq_p_s32(y + i, vreinterpretq_s32_s16(low), some);
        }
    }
}
