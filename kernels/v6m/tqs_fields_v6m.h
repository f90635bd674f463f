/* Internal: the inner loop of tqs_dense_v6m.h with one field per multiplication.

   Fields are not masked. With T[k] = word >> (k * bits), field k is T[k] minus 2^bits T[k+1], so
   sum field[k] x[k] = sum T[k] d[k] with d[0] = x[0] and d[k] = x[k] - 2^bits x[k-1], all modulo
   2^32. Weights of up to 8 bits are offset binary.

   The two fields of 16-bit weights, for 8-bit activations, are cut out, sign and all. */

enum { TQS_PREPARED = TQS_CHUNK };

/* d[k] of field k from activation i. One after the other: what a compiler loads before its turn
   does not fit the registers. */
#define TQS_NEXT(k, i)                                                                             \
    {                                                                                              \
        const uint32_t value = (uint32_t)(int32_t)x[i];                                            \
        d[(k) - 1] = value - (previous << TQS_WEIGHT_BITS);                                        \
        sum += value;                                                                              \
        previous = value;                                                                          \
        __asm__ volatile("" : "+r"(sum) : : "memory");                                             \
    }
#if TQS_WEIGHT_BITS == 16
#define TQS_ALL_NEXT
#elif TQS_ACT_BITS == 8
#define TQS_ALL_NEXT TQS_NEXT(1, 1) TQS_NEXT(2, 2) TQS_NEXT(3, 3)
#elif TQS_WEIGHT_BITS == 8
#define TQS_ALL_NEXT TQS_NEXT(1, 2) TQS_NEXT(2, 1) TQS_NEXT(3, 3)
#elif TQS_WEIGHT_BITS == 4
#define TQS_ALL_NEXT                                                                               \
    TQS_NEXT(1, 2) TQS_NEXT(2, 4) TQS_NEXT(3, 6) TQS_NEXT(4, 1) TQS_NEXT(5, 3) TQS_NEXT(6, 5)      \
    TQS_NEXT(7, 7)
#else
#define TQS_ALL_NEXT                                                                               \
    TQS_NEXT(1, 2) TQS_NEXT(2, 4) TQS_NEXT(3, 6) TQS_NEXT(4, 8) TQS_NEXT(5, 10) TQS_NEXT(6, 12)    \
    TQS_NEXT(7, 14) TQS_NEXT(8, 1) TQS_NEXT(9, 3) TQS_NEXT(10, 5) TQS_NEXT(11, 7)                  \
    TQS_NEXT(12, 9) TQS_NEXT(13, 11) TQS_NEXT(14, 13) TQS_NEXT(15, 15)
#endif

#if TQS_WEIGHT_BITS == 16
/* The activations of `words` groups. */
static TQS_NOINLINE void tqs_prepare(tqs_job *job, const tqs_act *x, uint32_t *d, int32_t words) {
    job->constant = 0;
    job->end = d + words * TQS_GROUP;
    for (; d != job->end; ++x)
        *d++ = (uint32_t)(int32_t)*x;
}

/* The products of one row's words. */
static TQS_NOINLINE uint32_t tqs_one_row(const tqs_job *job, const uint32_t *w, int32_t words) {
    const uint32_t *d = job->prepared;
    uint32_t acc = 0;
    for (; words > 0; --words, ++w, d += 2) {
        acc += (uint32_t)(int32_t)(int16_t)*w * d[0];
        acc += (uint32_t)((int32_t)*w >> 16) * d[1];
    }
    return acc;
}
#else
/* What the loop multiplies `words` groups with: per word d[1] .. d[n-1], d[0]. */
static TQS_NOINLINE void tqs_prepare(tqs_job *job, const tqs_act *x, uint32_t *d, int32_t words) {
    uint32_t sum = 0;
    for (; words > 0; --words) {
        uint32_t previous = (uint32_t)(int32_t)x[0];
        d[TQS_GROUP - 1] = previous;
        sum += previous;
        TQS_ALL_NEXT
        d += TQS_GROUP;
        x += TQS_GROUP;
    }
    job->constant = sum << (TQS_WEIGHT_BITS - 1);
    job->end = d;
}

/* The products of one row's words. */
static TQS_NOINLINE uint32_t tqs_one_row(const tqs_job *job, const uint32_t *w, int32_t words) {
    const uint32_t *d = job->prepared;
    uint32_t acc = 0u - job->constant;
    for (; words > 0; --words, d += TQS_GROUP) {
        const uint32_t word = *w++;
        uint32_t rest = word;
#pragma GCC unroll 16
        for (int32_t field = 0; field < TQS_GROUP - 1; ++field) {
            rest >>= TQS_WEIGHT_BITS;
            acc += rest * d[field];
        }
        acc += word * d[TQS_GROUP - 1];
    }
    return acc;
}
#endif

/* One instruction per line: */
/* clang-format off */
#define TQS_FIELD_OF(d, word, acc, bit)                                                            \
    "lsrs r7, " word ", #" bit "\n"                                                                \
    "muls r7, " d ", r7\n"                                                                         \
    "add " acc ", r7\n"
#define TQS_FIELD(d, bit)                                                                          \
    TQS_FIELD_OF(d, "r2", "r8", bit)                                                               \
    TQS_FIELD_OF(d, "r3", "r9", bit)                                                               \
    TQS_FIELD_OF(d, "r4", "r10", bit)                                                              \
    TQS_FIELD_OF(d, "r5", "r11", bit)
#define TQS_LAST_FIELD                                                                             \
    "muls r2, r6, r2\n"                                                                            \
    "add r8, r2\n"                                                                                 \
    "muls r3, r6, r3\n"                                                                            \
    "add r9, r3\n"                                                                                 \
    "muls r4, r6, r4\n"                                                                            \
    "add r10, r4\n"                                                                                \
    "muls r5, r6, r5\n"                                                                            \
    "add r11, r5\n"
#define TQS_FRAME_BYTES "0"
#define TQS_SUM(sum, spare, acc, total) "mov " sum ", " acc "\n"

/* In the loop r0 w, r1 prepared, r2-r5 words, r6 activation, r7 product, r8-r11 sums, r12 end. */
#if TQS_WEIGHT_BITS == 16
#define TQS_LOW_OF(word, acc)                                                                      \
    "sxth r7, " word "\n"                                                                          \
    "muls r7, r6, r7\n"                                                                            \
    "add " acc ", r7\n"
#define TQS_HIGH_OF(word, acc)                                                                     \
    "asrs " word ", " word ", #16\n"                                                               \
    "muls " word ", r6, " word "\n"                                                                \
    "add " acc ", " word "\n"
#define TQS_COLUMN                                                                                 \
    "ldmia r0!, {r2-r5}\n"                                                                         \
    "ldmia r1!, {r6}\n"                                                                            \
    TQS_LOW_OF("r2", "r8") TQS_LOW_OF("r3", "r9") TQS_LOW_OF("r4", "r10") TQS_LOW_OF("r5", "r11")  \
    "ldmia r1!, {r6}\n"                                                                            \
    TQS_HIGH_OF("r2", "r8") TQS_HIGH_OF("r3", "r9") TQS_HIGH_OF("r4", "r10")                       \
    TQS_HIGH_OF("r5", "r11")
#elif TQS_WEIGHT_BITS == 8
/* A word of each row. */
#define TQS_COLUMN                                                                                 \
    "ldmia r0!, {r2-r5}\n"                                                                         \
    "ldmia r1!, {r6}\n"                                                                            \
    TQS_FIELD("r6", "8")                                                                           \
    "ldmia r1!, {r6}\n"                                                                            \
    TQS_FIELD("r6", "16")                                                                          \
    "ldmia r1!, {r6}\n"                                                                            \
    TQS_FIELD("r6", "24")                                                                          \
    "ldmia r1!, {r6}\n"                                                                            \
    TQS_LAST_FIELD
#endif
#if TQS_WEIGHT_BITS >= 8
#define TQS_COLUMNS                                                                                \
    TQS_FOUR_COLUMNS("r7", TQS_COLUMN)                                                             \
    TQS_64_LINES TQS_64_LINES TQS_16_LINES TQS_16_LINES                                            \
    "cmp r1, r12\n"                                                                                \
    "beq 3f\n"                                                                                     \
    "b 2b\n"                                                                                       \
    "3:\n"
#else
/* Two fields at a time; w waits in lr meanwhile, and r0 is an activation too. */
#define TQS_TWO                                                                                    \
    "ldmia r1!, {r0, r6}\n"                                                                        \
    TQS_FIELD("r0", "\\bit")
#if TQS_WEIGHT_BITS == 4
#define TQS_FIELDS                                                                                 \
    ".irp bit, 4, 12, 20\n" TQS_TWO TQS_FIELD("r6", "\\bit + 4") ".endr\n"                         \
    TQS_64_LINES                                                                                   \
    "ldmia r1!, {r0, r6}\n" TQS_FIELD("r0", "28") TQS_LAST_FIELD
#define TQS_COLUMNS                                                                                \
    "mov lr, r0\n"                                                                                 \
    "2:\n"                                                                                         \
    "mov r0, lr\n"                                                                                 \
    "ldmia r0!, {r2-r5}\n"                                                                         \
    "mov lr, r0\n"                                                                                 \
    TQS_FIELDS                                                                                     \
    "cmp r1, r12\n"                                                                                \
    "bne 2b\n"                                                                                     \
    "mov r0, lr\n"
#else
#define TQS_FIELDS                                                                                 \
    ".irp bit, 2, 6, 10, 14, 18, 22, 26\n" TQS_TWO TQS_FIELD("r6", "\\bit + 2") ".endr\n"          \
    TQS_64_LINES TQS_64_LINES TQS_16_LINES TQS_16_LINES                                            \
    "ldmia r1!, {r0, r6}\n" TQS_FIELD("r0", "30") TQS_LAST_FIELD
#define TQS_COLUMNS                                                                                \
    "mov lr, r0\n"                                                                                 \
    "2:\n"                                                                                         \
    "mov r0, lr\n"                                                                                 \
    "ldmia r0!, {r2-r5}\n"                                                                         \
    "mov lr, r0\n"                                                                                 \
    TQS_FIELDS                                                                                     \
    "cmp r1, r12\n"                                                                                \
    "beq 3f\n"                                                                                     \
    "b 2b\n"                                                                                       \
    "3:\n"                                                                                         \
    "mov r0, lr\n"
#endif
#endif
#define TQS_QUAD                                                                                   \
    "ldr r6, [sp, #28]\n"                                                                          \
    "subs r2, r2, r6\n"                                                                            \
    "subs r3, r3, r6\n"                                                                            \
    "subs r4, r4, r6\n"                                                                            \
    "subs r5, r5, r6\n"                                                                            \
    TQS_SET_SUMS("r2", "r3", "r4", "r5")                                                           \
    "ldr r1, [sp, #24]\n"                                                                          \
    TQS_COLUMNS
/* clang-format on */
