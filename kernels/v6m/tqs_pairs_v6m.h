/* Internal: the inner loop of tqs_dense_v6m.h with two fields per multiplication.

   One MULS multiplies the two fields f, g that a masked word holds, f + 2^16 g, with
   x[i+2] + 2^16 x[i], and bits 16 to 31 of the product are f x[i] + g x[i+2], but for what the low
   half word, f x[i+2], carries into them. Products are added up over a group of four words of 4-bit
   weights, or the chunk of 2-bit weights; then the high half words are flushed into totals.

   The sums start at TQS_START minus the products of x with the offset of the weights, so that they
   stand for signed weights. With |x| <= 128 and 16 products of weights in [-8, 7] the low half word
   moves by -16,256 to 16,384 from 0xBF80: it is never below 0x8000 nor above 0xFFFF. The high one
   is the sum, -32,512 to 32,768, minus 1: it fits 16 bits, and the 1 comes back as the carry of its
   shift, bit 15 of the low one. Weights of 2 bits stay within half of that. */

#define TQS_MASK (TQS_WEIGHT_BITS == 4 ? UINT32_C(0x000F000F) : UINT32_C(0x00030003))

enum {
    TQS_GROUP_WORDS = 4, /* whose sums fit half words */
    TQS_PREPARED = TQS_CHUNK / 2 + TQS_CHUNK_WORDS / TQS_GROUP_WORDS
};
#define TQS_START UINT32_C(0xFFFFBF80)

/* Words of a row in its first group: the others are full. */
static inline int32_t tqs_first_group(int32_t words) {
    return ((words - 1) & 3) + 1;
}

/* For each group: what its sums start at; x[i+2] + 2^16 x[i] in the order of the fields. */
static TQS_NOINLINE void tqs_prepare(tqs_job *job, const int8_t *x, uint32_t *pairs,
                                     int32_t words) {
    for (int32_t left = words, group; left > 0; left -= group) {
        uint32_t *const start = pairs++;
        uint32_t sum = 0;
        group = tqs_first_group(left);
        for (const int8_t *const end = x + group * TQS_GROUP; x != end; x += 4) {
            const uint32_t even = (uint32_t)x[2] + ((uint32_t)x[0] << 16);
            const uint32_t odd = (uint32_t)x[3] + ((uint32_t)x[1] << 16);
            *pairs++ = even;
            *pairs++ = odd;
            sum += even + odd;
            __asm__ volatile("" : "+r"(sum) : : "memory"); /* one by one: registers */
        }
        *start = TQS_START - ((sum + (sum << 16)) << (TQS_WEIGHT_BITS - 1));
    }
    job->constant = TQS_MASK;
    job->end = pairs;
}

/* Written out, because GCC keeps the loop whatever it is told. */
#define TQS_NEXT                                                                                   \
    sum += (rest & TQS_MASK) * *pairs++;                                                           \
    rest >>= TQS_WEIGHT_BITS;
#if TQS_WEIGHT_BITS == 4
#define TQS_ALL_NEXT TQS_NEXT TQS_NEXT TQS_NEXT TQS_NEXT
#else
#define TQS_ALL_NEXT                                                                               \
    TQS_NEXT TQS_NEXT TQS_NEXT TQS_NEXT TQS_NEXT TQS_NEXT TQS_NEXT TQS_NEXT
#endif

/* The products of one row's words. */
static TQS_NOINLINE uint32_t tqs_one_row(const tqs_job *job, const uint32_t *w, int32_t words) {
    const uint32_t *pairs = job->prepared;
    uint32_t acc = 0;
    while (words > 0) {
        const uint32_t *const end = w + tqs_first_group(words);
        words -= (int32_t)(end - w);
        uint32_t sum = *pairs++;
        while (w != end) {
            uint32_t rest = *w++;
            TQS_ALL_NEXT
        }
        acc += (uint32_t)((int32_t)sum >> 16) + 1u;
    }
    return acc;
}

/* One instruction per line: */
/* clang-format off */
#define TQS_FRAME_BYTES "16" /* totals */
#define TQS_SUM(sum, spare, acc, total)                                                            \
    "mov " sum ", " acc "\n"                                                                       \
    "asrs " sum ", " sum ", #16\n"                                                                 \
    "ldr " spare ", [sp, #" #total "]\n"                                                           \
    "adcs " sum ", " spare "\n"
#define TQS_PAIR(bit, x, acc)                                                                      \
    "lsrs r6, r5, #" #bit "\n"                                                                     \
    "ands r6, r7\n"                                                                                \
    "muls r6, " x ", r6\n"                                                                         \
    "add " acc ", r6\n"
#define TQS_FIRST_PAIR(acc) /* of the word's lowest bits, after all others */                      \
    "ands r5, r7\n"                                                                                \
    "muls r5, r1, r5\n"                                                                            \
    "add " acc ", r5\n"
#define TQS_LOAD_PAIRS                                                                             \
    "mov r6, lr\n"                                                                                 \
    "ldmia r6!, {r1-r4}\n"                                                                         \
    "mov lr, r6\n"
#define TQS_START_SUMS                                                                             \
    "ldmia r6!, {r5}\n"                                                                            \
    "mov lr, r6\n"                                                                                 \
    TQS_SET_SUMS("r5", "r5", "r5", "r5")

#if TQS_WEIGHT_BITS == 4
#define TQS_WORD_OF(acc)                                                                           \
    "ldmia r0!, {r5}\n"                                                                            \
    TQS_PAIR(4, "r2", acc) TQS_PAIR(8, "r3", acc) TQS_PAIR(12, "r4", acc) TQS_FIRST_PAIR(acc)
#define TQS_FLUSH_ROW(total, acc)                                                                  \
    "mov r5, " acc "\n"                                                                            \
    "asrs r5, r5, #16\n"                                                                           \
    "adcs " total ", r5\n"
#define TQS_COLUMN                                                                                 \
    TQS_LOAD_PAIRS                                                                                 \
    ".irp acc, r8, r9, r10, r11\n" TQS_WORD_OF("\\acc") ".endr\n"
/* Passes of a group. */
#define TQS_COLUMNS                                                                                \
    TQS_FOUR_COLUMNS("r5", TQS_COLUMN)                                                             \
    TQS_64_LINES TQS_64_LINES TQS_64_LINES TQS_16_LINES                                            \
    "cmp lr, r12\n"                                                                                \
    "beq 3f\n"                                                                                     \
    "add r6, sp, #40\n"                                                                            \
    "ldmia r6!, {r1-r4}\n"                                                                         \
    TQS_FLUSH_ROW("r1", "r8") TQS_FLUSH_ROW("r2", "r9") TQS_FLUSH_ROW("r3", "r10")                 \
    TQS_FLUSH_ROW("r4", "r11")                                                                     \
    "subs r6, r6, #16\n"                                                                           \
    "stmia r6!, {r1-r4}\n"                                                                         \
    "mov r6, lr\n"                                                                                 \
    TQS_START_SUMS                                                                                 \
    "b 2b\n"                                                                                       \
    "3:\n"
#else
#define TQS_LOW_PAIRS(acc)                                                                         \
    "ldmia r0!, {r5}\n"                                                                            \
    TQS_PAIR(2, "r2", acc) TQS_PAIR(4, "r3", acc) TQS_PAIR(6, "r4", acc) TQS_FIRST_PAIR(acc)
#define TQS_HIGH_PAIRS(acc)                                                                        \
    "ldmia r0!, {r5}\n"                                                                            \
    TQS_PAIR(8, "r1", acc) TQS_PAIR(10, "r2", acc) TQS_PAIR(12, "r3", acc) TQS_PAIR(14, "r4", acc)
#define TQS_COLUMNS                                                                                \
    "2:\n"                                                                                         \
    TQS_LOAD_PAIRS                                                                                 \
    ".irp acc, r8, r9, r10, r11\n" TQS_LOW_PAIRS("\\acc") ".endr\n"                                \
    TQS_LOAD_PAIRS                                                                                 \
    "subs r0, r0, #16\n"                                                                           \
    ".irp acc, r8, r9, r10, r11\n" TQS_HIGH_PAIRS("\\acc") ".endr\n"                               \
    TQS_64_LINES TQS_16_LINES TQS_16_LINES                                                         \
    "cmp lr, r12\n"                                                                                \
    "beq 3f\n"                                                                                     \
    "b 2b\n"                                                                                       \
    "3:\n"
#endif

/* In the loop r0 w, r1-r4 activations, r5 word, r6 product, r7 mask, r8-r11 sums, r12 end, lr
   prepared. */
#define TQS_QUAD                                                                                   \
    "add r6, sp, #40\n"                                                                            \
    "stmia r6!, {r2-r5}\n"                                                                         \
    "ldr r6, [sp, #24]\n"                                                                          \
    TQS_START_SUMS                                                                                 \
    "ldr r7, [sp, #28]\n"                                                                          \
    TQS_COLUMNS
/* clang-format on */
