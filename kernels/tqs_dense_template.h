/* Internal: the loops of every portable dense kernel; what the including file defines is in
   tqs_dense_row.h. The rows of a quad share the loads of x, all four with sums of 32 bits, two by
   two with sums of 64 bits, which few cores have registers for. */
#include "tqs_dense_row.h"

#define TQS_START(r) tqs_sum acc##r = (tqs_sum)bias[r] - excess;
#define TQS_ADD_ROW(r) acc##r = TQS_ADD(acc##r, group, w[r]);
#define TQS_STORE(r) y[r] = TQS_OUTPUT(acc##r, multiplier[r], call->shift);
#if TQS_ACC_BITS == 32
#define TQS_TOGETHER 4
#define TQS_EACH(WHAT) WHAT(0) WHAT(1) WHAT(2) WHAT(3)
#else
#define TQS_TOGETHER 2
#define TQS_EACH(WHAT) WHAT(0) WHAT(1)
#endif

static inline void tqs_quads(const tqs_call *call, tqs_sum excess) {
    for (int32_t row = 0; row < (call->rows & ~3); row += TQS_TOGETHER) {
        const tqs_act *group = call->x;
        const uint32_t *w = call->w + (row & ~3) * call->words + row % 4;
        const tqs_bias *const bias = call->bias + row;
        const int32_t *const multiplier = call->multiplier + row;
        int16_t *const y = call->y + row;
        TQS_EACH(TQS_START)
        for (int32_t word = 0; word < call->words; ++word) {
            TQS_EACH(TQS_ADD_ROW)
            w += 4;
            group += TQS_GROUP;
        }
        TQS_EACH(TQS_STORE)
    }
}

TQS_DENSE_PROTOTYPE(TQS_KERNEL, tqs_act, tqs_bias) {
    TQS_ASSERT(rows >= 1 && depth >= 1);
    TQS_ASSERT(((uintptr_t)x & 3u) == 0);
    const int32_t words = (depth + TQS_GROUP - 1) / TQS_GROUP;
    const tqs_sum excess = tqs_excess(x, words * TQS_GROUP);
    tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
    tqs_quads(&call, excess);
    tqs_skip_rows(&call, rows & ~3);
    tqs_last_rows(&call, excess);
}
