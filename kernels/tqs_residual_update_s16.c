#include "tqs_fixed.h"
#include "tqs_kernels.h"

void tqs_residual_update_s16(const int16_t *x, const int16_t *f, int32_t multiplier, int32_t shift,
                             int16_t *y, int32_t count) {
    for (int32_t i = 0; i < count; ++i) {
        /* |f * multiplier| < 2^46, so the rounded step is below 2^15 and the sum fits. */
        y[i] = tqs_sat16(x[i] + tqs_requantize(f[i], multiplier, shift));
    }
}
