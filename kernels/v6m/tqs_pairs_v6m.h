/* Internal: the inner loop of tqs_dense_v6m.h with two fields per multiplication. */

#if TQS_WEIGHT_BITS == 4
#define TQS_CONSTANT UINT32_C(0x000F000F) /* cuts a field out of each half word */
#else
#define TQS_CONSTANT UINT32_C(0x00030003)
#endif

/* x[i+2] + 2^16 x[i] of `words` groups in the order of the fields, and their excess. */
static inline uint32_t tqs_prepare(const int8_t *x, uint32_t *pairs, int32_t words) {
    uint32_t sum = 0;
    for (const int8_t *const end = x + words * TQS_GROUP; x != end; x += 4) {
        const uint32_t a = (uint32_t)(int32_t)x[0], b = (uint32_t)(int32_t)x[1];
        const uint32_t c = (uint32_t)(int32_t)x[2], d = (uint32_t)(int32_t)x[3];
        *pairs++ = c + (a << 16);
        *pairs++ = d + (b << 16);
        sum += a + b + c + d;
    }
    return sum << (TQS_WEIGHT_BITS - 1);
}

/* The products of one row's words, offset binary. */
static inline uint32_t tqs_one_row(const uint32_t *w, const uint32_t *pairs, int32_t words) {
    uint32_t acc = 0;
    for (; words > 0; --words) {
        uint32_t rest = *w++, sum = 0x8000;
#pragma GCC unroll 16
        for (int32_t field = 0; field < TQS_GROUP / 2; ++field) {
            sum += (rest & TQS_CONSTANT) * *pairs++;
            rest >>= TQS_WEIGHT_BITS;
        }
        acc += (uint32_t)((int32_t)sum >> 16);
    }
    return acc;
}

/* One instruction per line: */
/* clang-format off */
#define TQS_PAIR(bit, x, acc)                                                                      \
    "lsrs r6, r5, #" #bit "\n\t"                                                                   \
    "ands r6, r7\n\t"                                                                              \
    "muls r6, " x ", r6\n\t"                                                                       \
    "add " acc ", r6\n\t"
#define TQS_FIRST_PAIR(acc) /* of the word's lowest bits, after all others */                      \
    "ands r5, r7\n\t"                                                                              \
    "muls r5, r1, r5\n\t"                                                                          \
    "add " acc ", r5\n\t"
#define TQS_LOAD_PAIRS                                                                             \
    "mov r6, lr\n\t"                                                                               \
    "ldmia r6!, {r1-r4}\n\t"                                                                       \
    "mov lr, r6\n\t"

#if TQS_WEIGHT_BITS == 4
#define TQS_WORD_OF(acc)                                                                           \
    "ldmia r0!, {r5}\n\t"                                                                          \
    TQS_PAIR(4, "r2", acc) TQS_PAIR(8, "r3", acc) TQS_PAIR(12, "r4", acc) TQS_FIRST_PAIR(acc)
#define TQS_COLUMN                                                                                 \
    TQS_LOAD_PAIRS                                                                                 \
    TQS_WORD_OF("r8") TQS_WORD_OF("r9") TQS_WORD_OF("r10") TQS_WORD_OF("r11")
/* Two words per row and pass; an odd number of them enters at the second. r6 is the job. */
#define TQS_COLUMNS                                                                                \
    "ldr r6, [r6, #36]\n\t"                                                                        \
    "cmp r6, #0\n\t"                                                                               \
    "beq 2f\n\t"                                                                                   \
    "b 3f\n"                                                                                       \
    "2:\n\t"                                                                                       \
    TQS_COLUMN                                                                                     \
    "3:\n\t"                                                                                       \
    TQS_COLUMN                                                                                     \
    TQS_FLUSH                                                                                      \
    "cmp lr, r12\n\t"                                                                              \
    "beq 4f\n\t"                                                                                   \
    "b 2b\n"                                                                                       \
    "4:\n\t"
#else
#define TQS_LOW_PAIRS(at, acc)                                                                     \
    "ldr r5, [r0, #" #at "]\n\t"                                                                   \
    TQS_PAIR(2, "r2", acc) TQS_PAIR(4, "r3", acc) TQS_PAIR(6, "r4", acc) TQS_FIRST_PAIR(acc)
#define TQS_HIGH_PAIRS(acc)                                                                        \
    "ldmia r0!, {r5}\n\t"                                                                          \
    TQS_PAIR(8, "r1", acc) TQS_PAIR(10, "r2", acc) TQS_PAIR(12, "r3", acc) TQS_PAIR(14, "r4", acc)
#define TQS_COLUMNS                                                                                \
    "2:\n\t"                                                                                       \
    TQS_LOAD_PAIRS                                                                                 \
    TQS_LOW_PAIRS(0, "r8") TQS_LOW_PAIRS(4, "r9") TQS_LOW_PAIRS(8, "r10") TQS_LOW_PAIRS(12, "r11") \
    TQS_LOAD_PAIRS                                                                                 \
    TQS_HIGH_PAIRS("r8") TQS_HIGH_PAIRS("r9") TQS_HIGH_PAIRS("r10") TQS_HIGH_PAIRS("r11")          \
    "cmp lr, r12\n\t"                                                                              \
    "beq 3f\n\t"                                                                                   \
    "b 2b\n"                                                                                       \
    "3:\n\t"                                                                                       \
    TQS_FLUSH
#endif

#define TQS_SET_SUMS                                                                               \
    "movs r5, #128\n\t"                                                                            \
    "lsls r5, r5, #8\n\t"                                                                          \
    "mov r8, r5\n\t"                                                                               \
    "mov r9, r5\n\t"                                                                               \
    "mov r10, r5\n\t"                                                                              \
    "mov r11, r5\n\t"
#define TQS_FLUSH_ROW(total, acc)                                                                  \
    "mov r5, " acc "\n\t"                                                                          \
    "asrs r5, r5, #16\n\t"                                                                         \
    "adds " total ", " total ", r5\n\t"
/* The high half words go to the sums in memory. */
#define TQS_FLUSH                                                                                  \
    "ldr r6, [sp]\n\t"                                                                             \
    "ldr r6, [r6, #4]\n\t"                                                                         \
    "ldmia r6!, {r1-r4}\n\t"                                                                       \
    TQS_FLUSH_ROW("r1", "r8") TQS_FLUSH_ROW("r2", "r9") TQS_FLUSH_ROW("r3", "r10")                 \
    TQS_FLUSH_ROW("r4", "r11")                                                                     \
    "subs r6, r6, #16\n\t"                                                                         \
    "stmia r6!, {r1-r4}\n\t"                                                                       \
    TQS_SET_SUMS

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (12 bytes of stack that the compiler does not count).
   r0 w, r1-r4 activations, r5 word, r6 product, r7 mask, r8-r11 sums, r12 end, lr prepared. */
static inline void tqs_add_quads(tqs_job *job) {
    register tqs_job *r0 __asm__("r0") = job;
    __asm__ volatile(
        ".syntax unified\n\t"
        "mov r1, r11\n\t"
        "push {r0, r1, r7}\n\t"
        "mov r6, r0\n\t"
        "ldr r0, [r6, #8]\n\t"
        "ldr r1, [r6, #24]\n\t"
        "mov r12, r1\n\t"
        TQS_SET_SUMS
        "1:\n\t" /* a quad; r6 job */
        TQS_LOAD_SUMS("r6", "r5", "r1", "r2", "r3", "r4")
        "ldr r7, [r6, #16]\n\t"
        "subs r1, r1, r7\n\t"
        "subs r2, r2, r7\n\t"
        "subs r3, r3, r7\n\t"
        "subs r4, r4, r7\n\t"
        "ldr r5, [r6, #4]\n\t"
        "stmia r5!, {r1-r4}\n\t"
        "ldr r5, [r6, #20]\n\t"
        "mov lr, r5\n\t"
        "ldr r7, [r6, #32]\n\t"
        TQS_COLUMNS
        "mov r5, r6\n\t"
        "ldr r6, [sp]\n\t"
        "str r5, [r6, #4]\n\t"
        "ldr r5, [r6, #12]\n\t"
        "adds r0, r0, r5\n\t"
        "ldr r5, [r6, #28]\n\t"
        "subs r5, r5, #1\n\t"
        "str r5, [r6, #28]\n\t"
        "beq 5f\n\t"
        "b 1b\n"
        "5:\n\t"
        "pop {r0, r1, r7}\n\t"
        "mov r11, r1"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}
/* clang-format on */
