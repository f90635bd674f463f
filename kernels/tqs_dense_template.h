/* Internal: the loops of every portable dense kernel; what the including file defines is in
   tqs_dense_row.h. The four rows of a quad share the loads of x. */
#include "tqs_dense_row.h"

static inline void tqs_quads(const tqs_call *call, tqs_sum excess) {
    const uint32_t *w = call->w;
    for (int32_t row = 0; row < (call->rows & ~3); row += 4) {
        const tqs_act *group = call->x;
        const tqs_bias *const bias = call->bias + row;
        const int32_t *const multiplier = call->multiplier + row;
        int16_t *const y = call->y + row;
        tqs_sum acc0 = (tqs_sum)bias[0] - excess, acc1 = (tqs_sum)bias[1] - excess;
        tqs_sum acc2 = (tqs_sum)bias[2] - excess, acc3 = (tqs_sum)bias[3] - excess;
        for (const uint32_t *const end = w + 4 * call->words; w != end; w += 4) {
            acc0 = TQS_ADD(acc0, group, w[0]);
            acc1 = TQS_ADD(acc1, group, w[1]);
            acc2 = TQS_ADD(acc2, group, w[2]);
            acc3 = TQS_ADD(acc3, group, w[3]);
            group += TQS_GROUP;
        }
        y[0] = TQS_OUTPUT(acc0, multiplier[0], call->shift);
        y[1] = TQS_OUTPUT(acc1, multiplier[1], call->shift);
        y[2] = TQS_OUTPUT(acc2, multiplier[2], call->shift);
        y[3] = TQS_OUTPUT(acc3, multiplier[3], call->shift);
    }
}

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w,
                const tqs_bias *restrict bias, const int32_t *restrict multiplier, int32_t shift,
                int16_t *restrict y, int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1);
    TQS_ASSERT(((uintptr_t)x & 3u) == 0);
    const int32_t words = (depth + TQS_GROUP - 1) / TQS_GROUP;
    const tqs_sum excess = tqs_excess(x, words * TQS_GROUP);
    tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
    tqs_quads(&call, excess);
    tqs_skip_rows(&call, rows & ~3);
    tqs_last_rows(&call, excess);
}
