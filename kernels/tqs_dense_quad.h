/* Internal: dense kernels of Armv7-M and later, around their loop over quads. The including file
   defines, besides what tqs_dense_row.h lists,
     TQS_QUAD_WORD       a word of each row, in r4-r7, times activations from r10 on, into r0-r3;
                         uses r8, r9, r12
     TQS_WORDS_PER_PASS  1, or 2 where the loop is unrolled
     TQS_START_QUAD      before the first word
     TQS_END_IN_MEMORY   if TQS_QUAD_WORD reads lr, which else holds the end of the quad's words
     TQS_FLUSH           optional, for TQS_PAIRED below: after each pass
     TQS_SCALE, TQS_SCALE_32, tqs_excess32
     TQS_LAST_ROWS       optional: a faster tqs_last_rows for sums of 32 bits
   With TQS_PAIRED r0-r3 are partial sums and totals are on the stack. */
#include <stddef.h>

/* One instruction per line: */
/* clang-format off */

/* A call of the kernel as the loop over quads sees it. The assembly knows the offsets. Kernels with
   a 64-bit accumulator take sums from it instead of outputs. */
typedef struct {
    const int32_t *bias;       /*  0 */
    uint32_t excess;           /*  4 */
    const tqs_act *x;          /*  8 */
    int32_t quad_bytes;        /* 12: of the words of four rows */
    const int32_t *multiplier; /* 16 */
    int16_t *y;                /* 20 */
    int32_t half;              /* 24: 2^(shift-1) without its low word */
    int32_t high_shift;        /* 28: shift - 32 */
    const int16_t *y_end;      /* 32: a multiple of four rows */
    const uint32_t *w;         /* 36 */
    int32_t *sums;             /* 40 */
    int32_t *sums_end;         /* 44 */
    int32_t skip;              /* 48: bytes of a quad's words that another chunk of x meets */
} tqs_job;
typedef char tqs_job_layout[offsetof(tqs_job, skip) == 48 ? 1 : -1];

#define TQS_ON_FOUR(WHAT) WHAT("r0", "r4") WHAT("r1", "r5") WHAT("r2", "r6") WHAT("r3", "r7")

#if TQS_PAIRED
#define TQS_FRAME "sub sp, #16\n\t" /* totals */
#define TQS_UNFRAME "add sp, #16\n\t"
#define TQS_JOB "[sp, #16]"
#define TQS_END "[sp, #20]"
#define TQS_TOTALS "ldm sp, {r0-r3}\n\t"
#else
#define TQS_FRAME ""
#define TQS_UNFRAME ""
#define TQS_JOB "[sp]"
#define TQS_END "[sp, #4]"
#define TQS_FLUSH ""
#define TQS_TOTALS ""
#endif

#ifdef TQS_END_IN_MEMORY
#define TQS_SET_END "add r4, r11, r6\n\tstr r4, " TQS_END "\n\t"
#define TQS_COMPARE_END "ldr r12, " TQS_END "\n\tcmp r11, r12\n\t"
#else
#define TQS_SET_END "add lr, r11, r6\n\t"
#define TQS_COMPARE_END "cmp r11, lr\n\t"
#endif

#define TQS_NEXT_WORD "ldm r11!, {r4-r7}\n\t" TQS_QUAD_WORD
#if TQS_WORDS_PER_PASS == 2
#define TQS_ENTER "tst r6, #16\n\tbne 3f\n" /* an odd number of words: enter at the second */
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

/* Sums before: bias - excess. */
#if TQS_ACC_BITS == 32
#define TQS_LOAD_SUMS "ldm r4!, {r0-r3}\n\tstr r4, [r12]\n\t"
#define TQS_QUAD_OUTPUT(acc, multiplier)                                                           \
    TQS_SCALE(acc, multiplier)                                                                     \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [r9], #2\n\t"
#define TQS_QUAD_OUTPUT_32(acc, multiplier)                                                        \
    TQS_SCALE_32(acc, multiplier)                                                                  \
    "ssat " acc ", #16, " acc "\n\t"                                                               \
    "strh " acc ", [r9], #2\n\t"
#define TQS_STORE                                                                                  \
    "ldrd r8, r9, [r12, #16]\n\t"                                                                  \
    "ldm r8!, {r4-r7}\n\t"                                                                         \
    "str r8, [r12, #16]\n\t"                                                                       \
    "ldrd r8, r10, [r12, #24]\n\t"                                                                 \
    "cmp r10, #0\n\t"                                                                              \
    "beq 4f\n\t"                                                                                   \
    TQS_ON_FOUR(TQS_QUAD_OUTPUT)                                                                   \
    "5:\n\t"                                                                                       \
    "str r9, [r12, #20]\n\t"                                                                       \
    "ldr r10, [r12, #32]\n\t"                                                                      \
    "cmp r9, r10\n\t"                                                                              \
    "bne 1b\n\t"                                                                                   \
    "b 6f\n"                                                                                       \
    "4:\n\t"                                                                                       \
    TQS_ON_FOUR(TQS_QUAD_OUTPUT_32)                                                                \
    "b 5b\n"                                                                                       \
    "6:\n\t"
#else
#define TQS_LOAD_SUMS "movs r0, #0\n\tmovs r1, #0\n\tmovs r2, #0\n\tmovs r3, #0\n\t"
#define TQS_STORE                                                                                  \
    "ldrd r8, r9, [r12, #40]\n\t"                                                                  \
    "stm r8!, {r0-r3}\n\t"                                                                         \
    "str r8, [r12, #40]\n\t"                                                                       \
    "ldr r10, [r12, #48]\n\t"                                                                      \
    "add r11, r11, r10\n\t"                                                                        \
    "cmp r8, r9\n\t"                                                                               \
    "bne 1b\n\t"
#endif

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (16 bytes of stack, 32 with TQS_PAIRED, that the compiler does not
   count). r0-r3 sums, r4-r7 words, r8 r9 activations, r10 x, r11 w, r12 product, lr mask or end; on
   the stack the job, the end, r7, r11. */
static inline void tqs_add_quads(tqs_job *job) {
    register tqs_job *r0 __asm__("r0") = job;
    __asm__ volatile(
        "push {r0, r1, r7, r11}\n\t"
        "mov r12, r0\n\t"
        TQS_FRAME
        "ldr r11, [r12, #36]\n"
        "1:\n\t" /* a quad */
        "ldm r12, {r4, r5, r10}\n\t"
        "ldr r6, [r12, #12]\n\t"
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
        "ldr r12, " TQS_JOB "\n\t"
        TQS_TOTALS
        TQS_STORE
        TQS_UNFRAME
        "pop {r0, r1, r7, r11}"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}
/* clang-format on */

#if TQS_ACC_BITS == 32
/* The outputs of all quads; what is left of the call are the last rows. */
static inline void tqs_quads(tqs_call *call, uint32_t excess) {
    const int32_t rows = call->rows & ~3;
    tqs_job job; /* no initializer: GCC would call memset */
    job.bias = call->bias;
    job.excess = excess;
    job.x = call->x;
    job.quad_bytes = 16 * call->words;
    job.multiplier = call->multiplier;
    job.y = call->y;
    job.half = call->shift > 32 ? 1 << (call->shift - 33) : 0;
    job.high_shift = call->shift - 32;
    job.y_end = call->y + rows;
    job.w = call->w;
    if (rows)
        tqs_add_quads(&job);
    tqs_skip_rows(call, rows);
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
            tqs_job job; /* no initializer: GCC would call memset */
            job.excess = tqs_excess32(x, words * TQS_GROUP);
            job.x = x;
            job.quad_bytes = 16 * words;
            job.w = call->w + 4 * at;
            job.sums = parts;
            job.sums_end = parts + rows;
            job.skip = 16 * (call->words - words);
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

TQS_DENSE_PROTOTYPE(TQS_KERNEL, tqs_act, tqs_bias) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + TQS_GROUP - 1) / TQS_GROUP);
    tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
#if TQS_ACC_BITS == 32
    const uint32_t excess = tqs_excess32(x, words * TQS_GROUP);
    tqs_quads(&call, excess);
    TQS_LAST_ROWS(&call, excess);
#else
    tqs_quads(&call);
    if (call.rows)
        tqs_last_rows(&call, tqs_excess(x, words * TQS_GROUP));
#endif
}
