/* Internal: types of a dense kernel, and its rows one by one, as those that fill no quad are taken.
   The including file defines
     TQS_KERNEL       the public symbol
     TQS_ACT_BITS     8 or 16
     TQS_WEIGHT_BITS  2, 4, 8 or 16
     TQS_ACC_BITS     32 or 64 */
#ifndef TQS_DENSE_ROW_H
#define TQS_DENSE_ROW_H

#include "tqs_dense_words.h"
#include "tqs_fixed.h"
#include "tqs_kernels.h"

#define TQS_GROUP (32 / TQS_WEIGHT_BITS)
#define TQS_JOIN_(head, acc, act, weight) head##acc##_a##act##w##weight
#define TQS_JOIN(head, acc, act, weight) TQS_JOIN_(head, acc, act, weight)
#ifdef TQS_CHECKED
#define TQS_SUM_BITS 64 /* sums of 32 bits too, so that one that would not fit is seen */
#else
#define TQS_SUM_BITS TQS_ACC_BITS
#endif
#define TQS_ADD TQS_JOIN(tqs_add, TQS_SUM_BITS, TQS_ACT_BITS, TQS_WEIGHT_BITS)

#if TQS_ACT_BITS == 8
typedef int8_t tqs_act;
#else
typedef int16_t tqs_act;
#endif

#if TQS_ACC_BITS == 32
typedef int32_t tqs_bias;
#ifdef TQS_CHECKED
typedef int64_t tqs_sum;
#define TQS_OUTPUT(acc, m, s) tqs_sat16(tqs_requantize(tqs_fit32(acc), (m), (s)))
#else
typedef uint32_t tqs_sum; /* modulo 2^32, see tqs_dense_words.h */
#define TQS_OUTPUT(acc, m, s) tqs_sat16(tqs_requantize((int32_t)(acc), (m), (s)))
#endif
#else
typedef int64_t tqs_bias;
typedef int64_t tqs_sum;
#define TQS_OUTPUT(acc, m, s) tqs_sat16(tqs_requantize_acc64((acc), (m), (s)))
#endif

/* The arguments of a call of the kernel; rows, w, bias, multiplier and y move on together. */
typedef struct {
    const tqs_act *x;
    const uint32_t *w;
    const tqs_bias *bias;
    const int32_t *multiplier;
    int16_t *y;
    int32_t shift, rows, words;
} tqs_call;

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

/* The rows that are left, each with its words one after the other. */
static inline void tqs_last_rows(const tqs_call *call, tqs_sum excess) {
    const uint32_t *w = call->w;
    for (int32_t row = 0; row < call->rows; ++row) {
        const tqs_act *group = call->x;
        tqs_sum acc = (tqs_sum)call->bias[row] - excess;
        for (const uint32_t *const end = w + call->words; w != end; group += TQS_GROUP)
            acc = TQS_ADD(acc, group, *w++);
        call->y[row] = TQS_OUTPUT(acc, call->multiplier[row], call->shift);
    }
}

/* The call of what follows the first `rows` rows. */
static inline void tqs_skip_rows(tqs_call *call, int32_t rows) {
    call->w += rows * call->words;
    call->bias += rows;
    call->multiplier += rows;
    call->y += rows;
    call->rows -= rows;
}

#endif
