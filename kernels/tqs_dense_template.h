/* Internal: the loops of every portable dense kernel. The including file defines
     TQS_KERNEL       the public symbol
     TQS_ACT_BITS     8 or 16
     TQS_WEIGHT_BITS  2, 4, 8 or 16
     TQS_ACC_BITS     32 or 64
   The four rows of a quad share the loads of x. */
#include "tqs_dense_words.h"
#include "tqs_fixed.h"
#include "tqs_kernels.h"

#define TQS_GROUP (32 / TQS_WEIGHT_BITS)
#define TQS_JOIN_(head, acc, act, weight) head##acc##_a##act##w##weight
#define TQS_JOIN(head, acc, act, weight) TQS_JOIN_(head, acc, act, weight)
#define TQS_ADD TQS_JOIN(tqs_add, TQS_ACC_BITS, TQS_ACT_BITS, TQS_WEIGHT_BITS)

#if TQS_ACT_BITS == 8
typedef int8_t tqs_act;
#else
typedef int16_t tqs_act;
#endif

#if TQS_ACC_BITS == 32
typedef int32_t tqs_bias;
typedef uint32_t tqs_sum; /* modulo 2^32, see tqs_dense_words.h */
#define TQS_OUTPUT(acc, m, s) tqs_sat16(tqs_requantize((int32_t)(acc), (m), (s)))
#else
typedef int64_t tqs_bias;
typedef int64_t tqs_sum;
#define TQS_OUTPUT(acc, m, s) tqs_sat16(tqs_requantize_acc64((acc), (m), (s)))
#endif

/* What offset-binary weights add too much to every row: 2^(bits-1) * sum(x), padding included,
   because the padding's weights are stored as 2^(bits-1) too. */
static inline tqs_sum tqs_excess(const tqs_act *x, int32_t count) {
#if TQS_WEIGHT_BITS < 8
    tqs_sum sum = 0;
    for (int32_t i = 0; i < count; ++i) {
        const int32_t wide = x[i];
        sum += (tqs_sum)wide;
    }
    return sum * (tqs_sum)(1 << (TQS_WEIGHT_BITS - 1));
#else
    (void)x;
    (void)count;
    return 0;
#endif
}

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w,
                const tqs_bias *restrict bias, const int32_t *restrict multiplier, int32_t shift,
                int16_t *restrict y, int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1);
    TQS_ASSERT(((uintptr_t)x & 3u) == 0);
    const int32_t words = (depth + TQS_GROUP - 1) / TQS_GROUP;
    const tqs_sum excess = tqs_excess(x, words * TQS_GROUP);
    int32_t row = 0;
    for (; row < (rows & ~3); row += 4) {
        const tqs_act *group = x;
        tqs_sum acc0 = (tqs_sum)bias[row] - excess, acc1 = (tqs_sum)bias[row + 1] - excess;
        tqs_sum acc2 = (tqs_sum)bias[row + 2] - excess, acc3 = (tqs_sum)bias[row + 3] - excess;
        for (const uint32_t *const end = w + 4 * words; w != end; w += 4, group += TQS_GROUP) {
            acc0 = TQS_ADD(acc0, group, w[0]);
            acc1 = TQS_ADD(acc1, group, w[1]);
            acc2 = TQS_ADD(acc2, group, w[2]);
            acc3 = TQS_ADD(acc3, group, w[3]);
        }
        y[row] = TQS_OUTPUT(acc0, multiplier[row], shift);
        y[row + 1] = TQS_OUTPUT(acc1, multiplier[row + 1], shift);
        y[row + 2] = TQS_OUTPUT(acc2, multiplier[row + 2], shift);
        y[row + 3] = TQS_OUTPUT(acc3, multiplier[row + 3], shift);
    }
    for (; row < rows; ++row) {
        const tqs_act *group = x;
        tqs_sum acc = (tqs_sum)bias[row] - excess;
        for (const uint32_t *const end = w + words; w != end; group += TQS_GROUP) {
            acc = TQS_ADD(acc, group, *w++);
        }
        y[row] = TQS_OUTPUT(acc, multiplier[row], shift);
    }
}
