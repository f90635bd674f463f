/* Internal: the dense kernel of Armv6-M for 16-bit activations and weights.

   A sum S of up to 2^16 products p is kept in two words: low, S modulo 2^32, and high, the sum of
   (p[2i] + p[2i+1] - 1) >> 16. Two products are at most 2^31, so nothing overflows, and what the
   shifts drop, e = S - 2^16 high, lies between 0 and 2^31: low - 2^16 high modulo 2^32 is e. */
#define TQS_ACT_BITS 16
#define TQS_WEIGHT_BITS 16
#define TQS_ACC_BITS 64
#include "tqs_dense_row.h"

enum { TQS_CHUNK_WORDS = 1 << 15 }; /* of a row, two products each */

/* One instruction per line: */
/* clang-format off */
#define TQS_ADD_WORD(w, low, high)                                                                 \
    "sxth r6, " w "\n\t"                                                                           \
    "muls r6, r1, r6\n\t"                                                                          \
    "asrs " w ", " w ", #16\n\t"                                                                   \
    "muls " w ", r2, " w "\n\t"                                                                    \
    "adds r6, r6, " w "\n\t"                                                                       \
    "add " low ", r6\n\t"                                                                          \
    "subs r6, r6, #1\n\t"                                                                          \
    "asrs r6, r6, #16\n\t"                                                                         \
    "add " high ", r6\n\t"
/* A word of two rows of a quad. */
#define TQS_COLUMN                                                                                 \
    "ldmia r3!, {r2}\n\t"                                                                          \
    "sxth r1, r2\n\t"                                                                              \
    "asrs r2, r2, #16\n\t"                                                                         \
    "ldr r4, [r0, #0]\n\t"                                                                         \
    "ldr r5, [r0, #4]\n\t"                                                                         \
    "adds r0, r0, #16\n\t"                                                                         \
    TQS_ADD_WORD("r4", "r8", "r9")                                                                 \
    TQS_ADD_WORD("r5", "r10", "r12")

/* Adds the products of two rows of a quad to sums, low and high of one row and of the other. Two
   words per row and pass; an odd number of them enters at the second. */
static inline void tqs_add_pair(const int16_t *x, const uint32_t *w, int32_t words,
                                uint32_t sums[4]) {
    register const uint32_t *r0 __asm__("r0") = w;
    register const int16_t *r3 __asm__("r3") = x;
    register const int16_t *r1 __asm__("r1") = x + 2 * words;
    register int32_t r2 __asm__("r2") = words & 1;
    register uint32_t *r4 __asm__("r4") = sums;
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4}\n\t"
        "mov lr, r1\n\t"
        "movs r1, #0\n\t"
        "mov r8, r1\n\t"
        "mov r9, r1\n\t"
        "mov r10, r1\n\t"
        "mov r12, r1\n\t"
        "cmp r2, #0\n\t"
        "bne 2f\n"
        "1:\n\t"
        TQS_COLUMN
        "2:\n\t"
        TQS_COLUMN
        "cmp r3, lr\n\t"
        "bne 1b\n\t"
        "pop {r4}\n\t"
        "mov r0, r8\n\t"
        "mov r1, r9\n\t"
        "mov r2, r10\n\t"
        "mov r3, r12\n\t"
        "stmia r4!, {r0-r3}"
        : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r4)
        :
        : "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}
/* clang-format on */

static inline int64_t tqs_sum_of(const uint32_t sums[2]) {
    const uint32_t dropped = sums[0] - (sums[1] << 16);
    return (int64_t)(int32_t)sums[1] * 65536 + dropped;
}

/* The outputs of rows 0 and 1 of a quad, or 2 and 3. */
static inline void tqs_output_pair(const tqs_call *call, int32_t row) {
    int64_t acc0 = call->bias[row], acc1 = call->bias[row + 1];
    for (int32_t at = 0; at < call->words; at += TQS_CHUNK_WORDS) {
        const int32_t left = call->words - at;
        uint32_t sums[4];
        tqs_add_pair(call->x + 2 * at, call->w + row + 4 * at,
                     left < TQS_CHUNK_WORDS ? left : TQS_CHUNK_WORDS, sums);
        acc0 += tqs_sum_of(sums);
        acc1 += tqs_sum_of(sums + 2);
    }
    call->y[row] = TQS_OUTPUT(acc0, call->multiplier[row], call->shift);
    call->y[row + 1] = TQS_OUTPUT(acc1, call->multiplier[row + 1], call->shift);
}

/* The output of a row that fills no quad; its words are neighbours. */
static inline void tqs_output_single(const tqs_call *call) {
    const int16_t *x = call->x;
    int64_t acc = call->bias[0];
    for (int32_t word = 0; word < call->words; ++word, x += 2) {
        const int32_t w = (int32_t)call->w[word];
        acc += x[0] * (int16_t)w;
        acc += x[1] * (w >> 16);
    }
    call->y[0] = TQS_OUTPUT(acc, call->multiplier[0], call->shift);
}

TQS_DENSE_PROTOTYPE(TQS_KERNEL, int16_t, int64_t) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + 1) / 2);
    tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
    for (; call.rows >= 4; tqs_skip_rows(&call, 4)) {
        tqs_output_pair(&call, 0);
        tqs_output_pair(&call, 2);
    }
    for (; call.rows > 0; tqs_skip_rows(&call, 1))
        tqs_output_single(&call);
}
