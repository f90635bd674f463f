/* Internal: the inner loop of tqs_dense_v6m.h with one field per multiplication. */

#define TQS_CONSTANT UINT32_C(0x80808080) /* between two's complement and offset binary */

/* d[k] of field k from activation i, into d[k - 1]; d[0] goes behind the others. */
#define TQS_NEXT(k, i)                                                                             \
    {                                                                                              \
        const uint32_t value = (uint32_t)(int32_t)x[i];                                            \
        d[(k) - 1] = value - (previous << TQS_WEIGHT_BITS);                                        \
        sum += value;                                                                              \
        previous = value;                                                                          \
    }
#if TQS_ACT_BITS == 8
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

/* The d[k] of `words` groups, and their excess. */
static inline uint32_t tqs_prepare(const tqs_act *x, uint32_t *d, int32_t words) {
    uint32_t sum = 0;
    for (; words > 0; --words) {
        uint32_t previous = (uint32_t)(int32_t)x[0];
        d[TQS_GROUP - 1] = previous;
        sum += previous;
        TQS_ALL_NEXT
        d += TQS_GROUP;
        x += TQS_GROUP;
    }
    return sum << (TQS_WEIGHT_BITS - 1);
}

/* The products of one row's words, offset binary. */
static inline uint32_t tqs_one_row(const uint32_t *w, const uint32_t *d, int32_t words) {
    uint32_t acc = 0;
    for (; words > 0; --words, d += TQS_GROUP) {
        const uint32_t word = *w++ ^ (TQS_WEIGHT_BITS == 8 ? TQS_CONSTANT : 0u);
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

/* One instruction per line: */
/* clang-format off */
#define TQS_FIELD_OF(d, word, acc, bit)                                                            \
    "lsrs r7, " word ", #" #bit "\n\t"                                                             \
    "muls r7, " d ", r7\n\t"                                                                       \
    "add " acc ", r7\n\t"
#define TQS_FIELD(d, bit)                                                                          \
    TQS_FIELD_OF(d, "r2", "r8", bit)                                                               \
    TQS_FIELD_OF(d, "r3", "r9", bit)                                                               \
    TQS_FIELD_OF(d, "r4", "r10", bit)                                                              \
    TQS_FIELD_OF(d, "r5", "r11", bit)
#define TQS_LAST_FIELD                                                                             \
    "muls r2, r6, r2\n\t"                                                                          \
    "add r8, r2\n\t"                                                                               \
    "muls r3, r6, r3\n\t"                                                                          \
    "add r9, r3\n\t"                                                                               \
    "muls r4, r6, r4\n\t"                                                                          \
    "add r10, r4\n\t"                                                                              \
    "muls r5, r6, r5\n\t"                                                                          \
    "add r11, r5\n\t"
/* Two fields at a time; w waits in lr meanwhile, and r0 is an activation too. */
#define TQS_TWO(a, b) "ldmia r1!, {r0, r6}\n\t" TQS_FIELD("r0", a) TQS_FIELD("r6", b)
#define TQS_LAST_TWO(a) "ldmia r1!, {r0, r6}\n\t" TQS_FIELD("r0", a) TQS_LAST_FIELD
#define TQS_LOAD_WORDS                                                                             \
    "mov r0, lr\n\t"                                                                               \
    "ldmia r0!, {r2-r5}\n\t"                                                                       \
    "mov lr, r0\n\t"

#if TQS_WEIGHT_BITS == 8
#define TQS_COLUMN                                                                                 \
    "ldmia r0!, {r2-r5}\n\t"                                                                       \
    "mov r7, lr\n\t"                                                                               \
    "eors r2, r7\n\t"                                                                              \
    "eors r3, r7\n\t"                                                                              \
    "eors r4, r7\n\t"                                                                              \
    "eors r5, r7\n\t"                                                                              \
    "ldmia r1!, {r6}\n\t"                                                                          \
    TQS_FIELD("r6", 8)                                                                             \
    "ldmia r1!, {r6}\n\t"                                                                          \
    TQS_FIELD("r6", 16)                                                                            \
    "ldmia r1!, {r6}\n\t"                                                                          \
    TQS_FIELD("r6", 24)                                                                            \
    "ldmia r1!, {r6}\n\t"                                                                          \
    TQS_LAST_FIELD
/* Two words per row and pass; an odd number of them enters at the second. */
#define TQS_COLUMNS                                                                                \
    "ldr r7, [r7, #36]\n\t"                                                                        \
    "cmp r7, #0\n\t"                                                                               \
    "bne 3f\n"                                                                                     \
    "2:\n\t"                                                                                       \
    TQS_COLUMN                                                                                     \
    "3:\n\t"                                                                                       \
    TQS_COLUMN                                                                                     \
    "cmp r1, r12\n\t"                                                                              \
    "bne 2b\n\t"
#elif TQS_WEIGHT_BITS == 4
#define TQS_COLUMNS                                                                                \
    "mov lr, r0\n"                                                                                 \
    "2:\n\t"                                                                                       \
    TQS_LOAD_WORDS                                                                                 \
    TQS_TWO(4, 8) TQS_TWO(12, 16) TQS_TWO(20, 24) TQS_LAST_TWO(28)                                 \
    "cmp r1, r12\n\t"                                                                              \
    "bne 2b\n\t"                                                                                   \
    "mov r0, lr\n\t"
#else
#define TQS_COLUMNS                                                                                \
    "mov lr, r0\n"                                                                                 \
    "2:\n\t"                                                                                       \
    TQS_LOAD_WORDS                                                                                 \
    TQS_TWO(2, 4) TQS_TWO(6, 8) TQS_TWO(10, 12) TQS_TWO(14, 16) TQS_TWO(18, 20) TQS_TWO(22, 24)    \
    TQS_TWO(26, 28) TQS_LAST_TWO(30)                                                               \
    "cmp r1, r12\n\t"                                                                              \
    "beq 3f\n\t"                                                                                   \
    "b 2b\n"                                                                                       \
    "3:\n\t"                                                                                       \
    "mov r0, lr\n\t"
#endif

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (12 bytes of stack that the compiler does not count).
   r0 w, r1 prepared, r2-r5 words, r6 activation, r7 product, r8-r11 sums, r12 end, lr constant
   of 8-bit weights, else w. */
static inline void tqs_add_quads(tqs_job *job) {
    register tqs_job *r0 __asm__("r0") = job;
    __asm__ volatile(
        ".syntax unified\n\t"
        "mov r1, r11\n\t"
        "push {r0, r1, r7}\n\t"
        "mov r7, r0\n\t"
        "ldr r0, [r7, #8]\n\t"
        "ldr r1, [r7, #24]\n\t"
        "mov r12, r1\n\t"
        "ldr r1, [r7, #32]\n\t"
        "mov lr, r1\n"
        "1:\n\t" /* a quad; r7 job */
        TQS_LOAD_SUMS("r7", "r1", "r2", "r3", "r4", "r5")
        "ldr r6, [r7, #16]\n\t"
        "subs r2, r2, r6\n\t"
        "subs r3, r3, r6\n\t"
        "subs r4, r4, r6\n\t"
        "subs r5, r5, r6\n\t"
        "mov r8, r2\n\t"
        "mov r9, r3\n\t"
        "mov r10, r4\n\t"
        "mov r11, r5\n\t"
        "ldr r1, [r7, #20]\n\t"
        TQS_COLUMNS
        "ldr r7, [sp]\n\t"
        "ldr r1, [r7, #4]\n\t"
        "mov r2, r8\n\t"
        "mov r3, r9\n\t"
        "mov r4, r10\n\t"
        "mov r5, r11\n\t"
        "stmia r1!, {r2-r5}\n\t"
        "str r1, [r7, #4]\n\t"
        "ldr r1, [r7, #12]\n\t"
        "adds r0, r0, r1\n\t"
        "ldr r1, [r7, #28]\n\t"
        "subs r1, r1, #1\n\t"
        "str r1, [r7, #28]\n\t"
        "beq 4f\n\t"
        "b 1b\n"
        "4:\n\t"
        "pop {r0, r1, r7}\n\t"
        "mov r11, r1"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}
/* clang-format on */
