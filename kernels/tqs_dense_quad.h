/* Internal: dense kernels of Armv7-M and later, around their loop over quads. The including file
   defines, besides what tqs_dense_row.h lists,
     TQS_QUAD_WORD       a word of each row, in r4-r7, times activations from r10 on, into r0-r3;
                         uses r8, r9, r12
     TQS_WORDS_PER_PASS  1, or 2 where the loop is unrolled
     TQS_START_QUAD      before the first word
     TQS_ENTER_ODD       optional, where that is 2: to 3 if r5 is not 0: their number is odd
     TQS_END_IN_MEMORY   if TQS_QUAD_WORD reads lr, which else holds the end of the quad's words
     TQS_FLUSH           optional, for TQS_PAIRED below: after each pass
     TQS_SCALE, TQS_SCALE_32, tqs_excess32
     TQS_LAST_ROWS       optional: a faster tqs_last_rows for sums of 32 bits
     TQS_ONE_WORD_QUADS  optional: what does tqs_quads' work for rows of one word, shift 32
   With TQS_PAIRED r0-r3 are partial sums and totals are on the stack. */
#include <stddef.h>

/* One instruction per line: */
/* clang-format off */

/* A call of the kernel as the loop over quads sees it: what it keeps on the stack, in this order.
   Kernels with a 64-bit accumulator take sums from it instead of outputs. Then `next` is where they
   go, `to_multiplier` the bytes of a quad's words that another chunk of x meets. */
typedef struct {
    intptr_t to_multiplier; /*  0: from behind the biases of a quad to its multipliers */
    intptr_t to_y;          /*  4: from half the address behind the biases to the outputs */
    int32_t is_above_32;    /*  8: shift > 32 */
    int32_t half;           /* 12: 2^(shift-1) without its low word */
    int32_t high_shift;     /* 16: shift - 32 */
    const void *end;        /* 20: of what `next` runs over, a multiple of four rows */
    const void *next;       /* 24: biases of the next quad */
    int32_t quad_bytes;     /* 28: of the words of four rows */
    uint32_t excess;        /* 32: of 8-bit weights: whether the number of words is odd */
    const tqs_act *x;       /* 36 */
    const uint32_t *w;      /* 40: replaced by the end of a quad's words */
} tqs_job;

#define TQS_ON_FOUR(WHAT) WHAT("r0", "r4") WHAT("r1", "r5") WHAT("r2", "r6") WHAT("r3", "r7")

#if TQS_PAIRED
#define TQS_FRAME "sub sp, #16\n\t" /* totals */
#define TQS_UNFRAME "add sp, #60\n\t"
#define TQS_AT(begin) "[sp, #16+" #begin "]"
#define TQS_LOAD_OUTPUTS "add r4, sp, #16\n\tldm r4, {r4, r5, r6, r8, r9, r10, r12}\n\t"
#define TQS_TOTALS "ldm sp, {r0-r3}\n\t"
#else
#define TQS_FRAME ""
#define TQS_UNFRAME "add sp, #44\n\t"
#define TQS_AT(begin) "[sp, #" #begin "]"
#define TQS_LOAD_OUTPUTS "ldm sp, {r4, r5, r6, r8, r9, r10, r12}\n\t"
#define TQS_FLUSH ""
#define TQS_TOTALS ""
#endif

#ifdef TQS_END_IN_MEMORY
#define TQS_SET_END "add r4, r11, r6\n\tstr r4, " TQS_AT(40) "\n\t"
#define TQS_COMPARE_END "ldr r12, " TQS_AT(40) "\n\tcmp r11, r12\n\t"
#else
#define TQS_SET_END "add lr, r11, r6\n\t"
#define TQS_COMPARE_END "cmp r11, lr\n\t"
#endif

#define TQS_NEXT_WORD "ldm r11!, {r4-r7}\n\t" TQS_QUAD_WORD
#if TQS_WORDS_PER_PASS == 2 /* of an odd number of words the second is the first */
#ifdef TQS_ENTER_ODD
#define TQS_ENTER TQS_ENTER_ODD
#else
#define TQS_ENTER "tst r6, #16\n\tbne 3f\n"
#endif
#define TQS_SECOND_WORD "3:\n\t" TQS_NEXT_WORD
#else
#define TQS_ENTER "\n"
#define TQS_SECOND_WORD ""
#endif

#if TQS_WEIGHT_BITS < 8
#define TQS_SUBTRACT_EXCESS(acc, v) "sub " acc ", " acc ", r5\n\t"
#else
#define TQS_SUBTRACT_EXCESS(acc, v)
#endif

/* Sums before: bias - excess. Then y is in lr, half in r8, shift - 32 in r9; nothing between the
   comparison and the jump sets flags. */
#if TQS_ACC_BITS == 32
#define TQS_LOAD_SUMS "ldm r4!, {r0-r3}\n\tstr r4, " TQS_AT(24) "\n\t"
#define TQS_QUAD_OUTPUT(acc, multiplier)                                                           \
    TQS_SCALE(acc, multiplier)                                                                     \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [lr], #2\n\t"
#define TQS_QUAD_OUTPUT_32(acc, multiplier)                                                        \
    TQS_SCALE_32(acc, multiplier)                                                                  \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [lr], #2\n\t"
#define TQS_STORE                                                                                  \
    TQS_LOAD_OUTPUTS                                                                               \
    "cmp r12, r10\n\t"                                                                             \
    "add lr, r5, r12, lsr #1\n\t"                                                                  \
    "add r4, r4, r12\n\t"                                                                          \
    "cbnz r6, 4f\n\t"                                                                              \
    "ldm r4, {r4-r7}\n\t"                                                                          \
    TQS_ON_FOUR(TQS_QUAD_OUTPUT_32)                                                                \
    "5:\n\t"                                                                                       \
    "bne 1b\n\t"                                                                                   \
    "b 6f\n"                                                                                       \
    "4:\n\t"                                                                                       \
    "ldm r4, {r4-r7}\n\t"                                                                          \
    TQS_ON_FOUR(TQS_QUAD_OUTPUT)                                                                   \
    "b 5b\n"                                                                                       \
    "6:\n\t"
#else
#define TQS_LOAD_SUMS "movs r0, #0\n\tmovs r1, #0\n\tmovs r2, #0\n\tmovs r3, #0\n\t"
#define TQS_STORE                                                                                  \
    "ldrd r9, r8, " TQS_AT(20) "\n\t"                                                              \
    "stm r8!, {r0-r3}\n\t"                                                                         \
    "str r8, " TQS_AT(24) "\n\t"                                                                   \
    "ldr r10, " TQS_AT(0) "\n\t"                                                                   \
    "add r11, r11, r10\n\t"                                                                        \
    "cmp r8, r9\n\t"                                                                               \
    "bne 1b\n\t"
#endif

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (52 bytes of stack, 68 with TQS_PAIRED, that the compiler does not
   count). r0-r3 sums, r4-r7 words, r8 r9 activations, r10 x, r11 w, r12 product, lr mask or end; on
   the stack the job. */
static inline void tqs_add_quads(const tqs_job *job) {
    register intptr_t r0 __asm__("r0") = job->to_multiplier;
    register intptr_t r1 __asm__("r1") = job->to_y;
    register int32_t r2 __asm__("r2") = job->is_above_32;
    register int32_t r3 __asm__("r3") = job->half;
    register int32_t r4 __asm__("r4") = job->high_shift;
    register const void *r5 __asm__("r5") = job->end;
    register const void *r6 __asm__("r6") = job->next;
    register int32_t r8 __asm__("r8") = job->quad_bytes;
    register uint32_t r9 __asm__("r9") = job->excess;
    register const tqs_act *r10 __asm__("r10") = job->x;
    register const uint32_t *r12 __asm__("r12") = job->w;
    __asm__ volatile(
        "push {r7, r11}\n\t"
        "mov r11, r12\n\t"
        "push {r0, r1, r2, r3, r4, r5, r6, r8, r9, r10, r12}\n\t"
        TQS_FRAME
        "\n1:\n\t" /* a quad */
        "ldrd r4, r6, " TQS_AT(24) "\n\t"
        "ldrd r5, r10, " TQS_AT(32) "\n\t"
        TQS_LOAD_SUMS
        TQS_ON_FOUR(TQS_SUBTRACT_EXCESS)
        TQS_SET_END
        TQS_START_QUAD
        TQS_ENTER
        "2:\n\t" /* words */
        TQS_NEXT_WORD
        TQS_SECOND_WORD
        TQS_FLUSH
        TQS_COMPARE_END
        "bne 2b\n\t"
        TQS_TOTALS
        TQS_STORE
        TQS_UNFRAME
        "pop {r7, r11}"
        : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r8), "+r"(r9),
          "+r"(r10), "+r"(r12)
        :
        : "lr", "cc", "memory");
}
/* clang-format on */

#if TQS_ACC_BITS == 32
/* The outputs of the first `rows` rows, a multiple of four. */
static inline void tqs_quads(const tqs_call *call, int32_t rows, uint32_t excess) {
    const intptr_t behind = (intptr_t)call->bias + 16; /* the biases of the first quad */
    const tqs_job job = {
        .to_multiplier = (intptr_t)call->multiplier - behind,
        .to_y = (intptr_t)call->y - (intptr_t)((uintptr_t)behind >> 1),
        .is_above_32 = call->shift > 32,
        .half = call->shift > 32 ? 1 << (call->shift - 33) : 0,
        .high_shift = call->shift - 32,
        .end = call->bias + rows,
        .next = call->bias,
        .quad_bytes = 16 * call->words,
        .excess = TQS_WEIGHT_BITS == 8 ? (uint32_t)call->words & 1u : excess,
        .x = call->x,
        .w = call->w,
    };
    tqs_add_quads(&job);
}
#else
enum {
    TQS_CHUNK_WORDS = 256 / TQS_GROUP, /* whose products fit 32 bits: 2^8 * 2^7 * 2^15 = 2^30 */
    TQS_BLOCK = 16                     /* rows whose sums are kept at a time */
};

/* The same: sums of 32 bits over chunks of x, added up in 64 bits. */
static inline void tqs_quads(tqs_call *call) {
    int32_t parts[TQS_BLOCK];
    int64_t sums[TQS_BLOCK];
    while (call->rows >= 4) {
        const int32_t rows = call->rows < TQS_BLOCK ? call->rows & ~3 : TQS_BLOCK;
        for (int32_t row = 0; row < rows; ++row)
            sums[row] = call->bias[row];
        for (int32_t at = 0; at < call->words; at += TQS_CHUNK_WORDS) {
            const int32_t left = call->words - at;
            const int32_t words = left < TQS_CHUNK_WORDS ? left : TQS_CHUNK_WORDS;
            const tqs_act *const x = call->x + at * TQS_GROUP;
            const uint32_t excess = tqs_excess32(x, words * TQS_GROUP);
            const tqs_job job = {
                .to_multiplier = 16 * (call->words - words),
                .end = parts + rows,
                .next = parts,
                .quad_bytes = 16 * words,
                .excess = TQS_WEIGHT_BITS == 8 ? (uint32_t)words & 1u : excess,
                .x = x,
                .w = call->w + 4 * at,
            };
            tqs_add_quads(&job);
            for (int32_t row = 0; row < rows; ++row)
                sums[row] += parts[row];
        }
        for (int32_t row = 0; row < rows; ++row) {
            const int32_t v = tqs_requantize_acc64(sums[row], call->multiplier[row], call->shift);
            call->y[row] = tqs_sat16(v);
        }
        tqs_skip_rows(call, rows);
    }
}
#endif

#ifndef TQS_LAST_ROWS
#define TQS_LAST_ROWS tqs_last_rows
#endif

/* Apart, so that calls without them neither save registers for them nor reckon their places. */
static __attribute__((noinline)) void tqs_rest(const tqs_call *call, tqs_sum excess) {
    TQS_LAST_ROWS(call, excess);
}

TQS_DENSE_PROTOTYPE(TQS_KERNEL, tqs_act, tqs_bias) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + TQS_GROUP - 1) / TQS_GROUP);
#if TQS_ACC_BITS == 32
    const tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
    const uint32_t excess = tqs_excess32(x, words * TQS_GROUP);
    if (rows >= 4) {
#ifdef TQS_ONE_WORD_QUADS
        if (words == 1 && shift == 32)
            TQS_ONE_WORD_QUADS(&call, rows & ~3);
        else
#endif
            tqs_quads(&call, rows & ~3, excess);
    }
    if (rows & 3) {
        tqs_call rest = call;
        tqs_skip_rows(&rest, rows & ~3);
        tqs_rest(&rest, excess);
    }
#else
    tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
    tqs_quads(&call);
    if (call.rows)
        tqs_rest(&call, tqs_excess(x, words * TQS_GROUP));
#endif
}
