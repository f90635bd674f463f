/* Internal: the dense kernels of Armv6-M, whose multiplier keeps the low 32 bits only and whose
   eight registers leave no room to extend activations in the loop. What the including file defines
   is in ../tqs_dense_row.h.

   Activations are prepared once for all rows, or once per TQS_BLOCK rows where depth exceeds
   TQS_CHUNK, so that a multiply-accumulate takes three instructions, or two of them take four:

   TQS_PAIRED, 8-bit activations, 4- and 2-bit weights: one MULS multiplies the two fields f, g that
     a masked word holds, f + 2^16 g, with x[i+2] + 2^16 x[i], and bits 16 to 31 of the product sum
     are the sum of f x[i] + g x[i+2]. The low half word collects f x[i+2]; it starts at 2^15 so
     that it never goes below 0 or above 2^16. With |x| <= 128 and 8 products of f, g <= 15, or 32
     of f, g <= 3, the low half moves by at most 15,360 and the high one stays within +-30,720.
   otherwise: fields are not masked. With T[k] = word >> (k * bits), field k is T[k] minus
     2^bits T[k+1], so sum field[k] x[k] = sum T[k] d[k] with d[0] = x[0] and
     d[k] = x[k] - 2^bits x[k-1], all modulo 2^32. Words of 8-bit weights are made offset binary by
     one exclusive or. */
#include <stddef.h>

#include "tqs_dense_row.h"

#define TQS_PAIRED (TQS_ACT_BITS == 8 && TQS_WEIGHT_BITS < 8)

enum {
    TQS_CHUNK = 64, /* activations prepared at a time */
    TQS_CHUNK_WORDS = TQS_CHUNK / TQS_GROUP,
    TQS_PREPARED_PER_WORD = TQS_PAIRED ? TQS_GROUP / 2 : TQS_GROUP,
    TQS_BLOCK = TQS_ACC_BITS == 32 ? 32 : 16 /* rows that share a preparation */
};

/* Quads on their way through a chunk of x. The assembly knows the offsets. */
typedef struct {
    const int32_t *from;         /*  0: sums before, four per quad; 0 for 64-bit accumulators */
    int32_t *to;                 /*  4: sums after; may be from */
    const uint32_t *w;           /*  8 */
    int32_t skip;                /* 12: bytes from the end of a quad's chunk to the next quad's */
    uint32_t excess;             /* 16: 2^(bits-1) * sum of the chunk */
    const uint32_t *prepared;    /* 20 */
    const uint32_t *end;         /* 24: of prepared */
    int32_t quads;               /* 28 */
    uint32_t constant;           /* 32: TQS_CONSTANT */
    uint32_t odd;                /* 36: whether a quad's chunk has an odd number of words per row */
} tqs_job;
typedef char tqs_job_layout[offsetof(tqs_job, odd) == 36 ? 1 : -1];

/* Sums before of a quad. */
#if TQS_ACC_BITS == 32
#define TQS_LOAD_SUMS(job, from, a, b, c, d)                                                       \
    "ldr " from ", [" job ", #0]\n\t"                                                              \
    "ldmia " from "!, {" a ", " b ", " c ", " d "}\n\t"                                            \
    "str " from ", [" job ", #0]\n\t"
#else
#define TQS_LOAD_SUMS(job, from, a, b, c, d)                                                       \
    "movs " a ", #0\n\tmovs " b ", #0\n\tmovs " c ", #0\n\tmovs " d ", #0\n\t"
#endif

#if TQS_PAIRED
#include "tqs_pairs_v6m.h"
#else
#include "tqs_fields_v6m.h"
#endif

/* to[row] = from[row] + products for the rows of a block, quads or up to three last rows; from is 0
   with 64-bit accumulators. */
static inline void tqs_add_chunk(tqs_job *job, const tqs_call *call, int32_t rows, int32_t at,
                                 int32_t words) {
    if (rows < 4) {
        for (int32_t row = 0; row < rows; ++row) {
            const uint32_t *const w = call->w + row * call->words + at;
            const uint32_t acc = tqs_one_row(w, job->prepared, words) - job->excess;
            job->to[row] = (int32_t)(acc + (TQS_ACC_BITS == 32 ? (uint32_t)job->from[row] : 0u));
        }
        return;
    }
    job->w = call->w + 4 * at;
    job->skip = 16 * (call->words - words);
    job->end = job->prepared + words * TQS_PREPARED_PER_WORD;
    job->quads = rows / 4;
    job->odd = words & 1;
    tqs_add_quads(job);
}

#if TQS_ACC_BITS == 32
/* One instruction per line: */
/* clang-format off */
#define TQS_OUTPUT_ROW(at)                                                                         \
    "ldmia r0!, {r3}\n\t"                                                                          \
    "ldmia r1!, {r4}\n\t"                                                                          \
    TQS_PRODUCT_HIGH("r3", "r4", "r5", "r6", "r7")                                                 \
    "mov r4, r9\n\t"                                                                               \
    "add r3, r8\n\t"                                                                               \
    "asrs r3, r4\n\t"                                                                              \
    "sxth r4, r3\n\t"                                                                              \
    "cmp r4, r3\n\t"                                                                               \
    "beq 2f\n\t"                                                                                   \
    "asrs r3, r3, #31\n\t" /* -1 or 0: -32768 or 32767 */                                          \
    "mov r4, r10\n\t"                                                                              \
    "eors r3, r4\n"                                                                                \
    "2:\n\t"                                                                                       \
    "strh r3, [r2, #" #at "]\n\t"

/* y[row] for the sums [at, end) of whole quads; shift > 32. r7, which may be the frame pointer, is
   saved by hand (4 bytes of stack that the compiler does not count). */
static inline void tqs_output_quads(const int32_t *at, const int32_t *end, const tqs_call *call) {
    register const int32_t *r0 __asm__("r0") = at;
    register const int32_t *r1 __asm__("r1") = call->multiplier;
    register int16_t *r2 __asm__("r2") = call->y;
    register int32_t down __asm__("r3") = call->shift - 32;
    register int32_t half __asm__("r4") = 1 << (down - 1);
    register const int32_t *r5 __asm__("r5") = end;
    register int32_t most __asm__("r6") = INT16_MAX;
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r7}\n\t"
        "mov r8, r4\n\t"
        "mov r9, r3\n\t"
        "mov r10, r6\n\t"
        "mov r12, r5\n"
        "1:\n\t"
        TQS_OUTPUT_ROW(0)
        TQS_OUTPUT_ROW(2)
        TQS_OUTPUT_ROW(4)
        TQS_OUTPUT_ROW(6)
        "adds r2, r2, #8\n\t"
        "cmp r0, r12\n\t"
        "beq 3f\n\t"
        "b 1b\n"
        "3:\n\t"
        "pop {r7}"
        : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(down), "+r"(half), "+r"(r5), "+r"(most)
        :
        : "r8", "r9", "r10", "r12", "cc", "memory");
}
/* clang-format on */

static inline void tqs_add_block(tqs_job *job, const tqs_call *call, int32_t rows, int32_t at,
                                 int32_t words, int32_t *sums) {
    job->from = at ? sums : call->bias;
    job->to = sums;
    tqs_add_chunk(job, call, rows, at, words);
}

static inline void tqs_output_block(const int32_t *sums, const tqs_call *call, int32_t rows) {
    if (call->shift > 32 && rows >= 4) {
        tqs_output_quads(sums, sums + rows, call);
        return;
    }
    for (int32_t row = 0; row < rows; ++row)
        call->y[row] = TQS_OUTPUT(sums[row], call->multiplier[row], call->shift);
}
#else
/* The products of a chunk fit 32 bits: 64 * 2^7 * 2^15 = 2^28. */
static inline void tqs_add_block(tqs_job *job, const tqs_call *call, int32_t rows, int32_t at,
                                 int32_t words, int64_t *sums) {
    int32_t parts[TQS_BLOCK];
    job->to = parts;
    tqs_add_chunk(job, call, rows, at, words);
    for (int32_t row = 0; row < rows; ++row)
        sums[row] = (at ? sums[row] : call->bias[row]) + parts[row];
}

static inline void tqs_output_block(const int64_t *sums, const tqs_call *call, int32_t rows) {
    for (int32_t row = 0; row < rows; ++row)
        call->y[row] = TQS_OUTPUT(sums[row], call->multiplier[row], call->shift);
}
#endif

TQS_DENSE_PROTOTYPE(TQS_KERNEL, tqs_act, tqs_bias) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + TQS_GROUP - 1) / TQS_GROUP);
    uint32_t prepared[TQS_CHUNK_WORDS * TQS_PREPARED_PER_WORD];
    tqs_bias sums[TQS_BLOCK];
    tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
    tqs_job job; /* no initializer: GCC would call memset */
    job.prepared = prepared;
    job.constant = TQS_CONSTANT;
    while (call.rows > 0) {
        const int32_t quads = call.rows < TQS_BLOCK ? call.rows & ~3 : TQS_BLOCK;
        const int32_t block = quads ? quads : call.rows;
        for (int32_t at = 0; at < words; at += TQS_CHUNK_WORDS) {
            const int32_t left = words - at;
            const int32_t chunk = left < TQS_CHUNK_WORDS ? left : TQS_CHUNK_WORDS;
            if (call.w == w || words > TQS_CHUNK_WORDS)
                job.excess = tqs_prepare(x + at * TQS_GROUP, prepared, chunk);
            tqs_add_block(&job, &call, block, at, chunk, sums);
        }
        tqs_output_block(sums, &call, block);
        tqs_skip_rows(&call, block);
    }
}
