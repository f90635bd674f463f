#include "tqs_fixed.h"
#include "tqs_kernels.h"

void tqs_window_push_s16(int16_t *restrict window, const int16_t *restrict rows, int32_t length,
                         int32_t features, int32_t block) {
    TQS_ASSERT(length >= 1 && features >= 1 && block >= 1);
    const int32_t pushed = block < length ? block : length;
    const int16_t *const newest = rows + (block - pushed) * features;
    tqs_push_rows_s16(window, newest, window, (length - pushed) * features, pushed * features);
}
