/* Internal: the dense kernels of Armv6-M, whose multiplier keeps the low 32 bits only and whose
   eight registers leave no room to extend activations in the loop. What the including file defines
   is in ../tqs_dense_row.h.

   Activations are prepared once for all rows, or once per TQS_BLOCK rows where depth exceeds
   TQS_CHUNK, so that a multiply-accumulate takes three instructions, or two of them take four; see
   tqs_fields_v6m.h, and tqs_pairs_v6m.h for 8-bit activations with 4- and 2-bit weights. */
#include "tqs_dense_row.h"

enum {
    TQS_CHUNK = 64, /* activations prepared at a time */
    TQS_CHUNK_WORDS = TQS_CHUNK / TQS_GROUP,
    TQS_BLOCK = TQS_ACC_BITS == 32 ? 32 : 16 /* rows whose sums are kept at a time */
};

#include "tqs_quads_v6m.h"

/* The sums of the rows of a block in the chunk of `words` words at `at`, added to those before:
   quads or up to three last rows. Whole quads of the last chunk become outputs where sums have 32
   bits. */
static inline void tqs_add_chunk(tqs_job *job, const tqs_call *call, int32_t rows, int32_t at,
                                 int32_t words, int32_t *sums) {
    const int32_t *const from = at || TQS_ACC_BITS == 64 ? sums : (const int32_t *)call->bias;
    if (rows < 4) {
        for (int32_t row = 0; row < rows; ++row) {
            const uint32_t *const w = call->w + row * call->words + at;
            sums[row] = (int32_t)(tqs_one_row(job, w, words) + (uint32_t)from[row]);
        }
        return;
    }
    const int32_t last = TQS_ACC_BITS == 32 && at + words == call->words;
    job->from = from;
    job->to = last ? (void *)call->y : (void *)sums;
    job->to_end = last ? (const void *)(call->y + rows) : (const void *)(sums + rows);
    job->multiplier = last ? call->multiplier : 0;
    job->w = call->w + 4 * at;
    job->skip = 16 * (call->words - words);
    job->left_out = -words & 3;
    tqs_add_quads(job);
}

#if TQS_ACC_BITS == 32
static inline void tqs_add_block(tqs_job *job, const tqs_call *call, int32_t rows, int32_t at,
                                 int32_t words, int32_t *sums) {
    tqs_add_chunk(job, call, rows, at, words, sums);
}
#else
/* The products of a chunk fit 32 bits: 64 * 2^7 * 2^15 = 2^28, either way. */
static inline void tqs_add_block(tqs_job *job, const tqs_call *call, int32_t rows, int32_t at,
                                 int32_t words, int64_t *sums) {
    int32_t parts[TQS_BLOCK];
    for (int32_t row = 0; row < rows; ++row)
        parts[row] = 0;
    tqs_add_chunk(job, call, rows, at, words, parts);
    for (int32_t row = 0; row < rows; ++row)
        sums[row] = (at ? sums[row] : call->bias[row]) + parts[row];
}
#endif

/* The rows that go through x together: all quads where x is prepared once and no sums are kept. */
static inline int32_t tqs_block(const tqs_call *call) {
    const int32_t quads = call->rows & ~3;
    if (TQS_ACC_BITS == 32 && quads && call->words <= TQS_CHUNK_WORDS)
        return quads;
    return !quads ? call->rows : quads < TQS_BLOCK ? quads : TQS_BLOCK;
}

TQS_DENSE_PROTOTYPE(TQS_KERNEL, tqs_act, tqs_bias) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + TQS_GROUP - 1) / TQS_GROUP);
    uint32_t prepared[TQS_PREPARED];
    tqs_bias sums[TQS_BLOCK];
    tqs_call call = {x, w, bias, multiplier, y, shift, rows, words};
    tqs_job job; /* no initializer: GCC would call memset */
    job.prepared = prepared;
    job.down = shift - 32;
    int32_t at = 0, block = tqs_block(&call);
    for (;;) {
        const int32_t left = words - at;
        const int32_t chunk = left < TQS_CHUNK_WORDS ? left : TQS_CHUNK_WORDS;
        if (call.w == w || words > TQS_CHUNK_WORDS)
            tqs_prepare(&job, x + at * TQS_GROUP, prepared, chunk);
        tqs_add_block(&job, &call, block, at, chunk, sums);
        at += chunk;
        if (at < words)
            continue;
        if (TQS_ACC_BITS == 64 || block < 4)
            for (int32_t row = 0; row < block; ++row)
                call.y[row] = TQS_OUTPUT(sums[row], call.multiplier[row], shift);
        if (call.rows == block)
            return;
        tqs_skip_rows(&call, block);
        block = tqs_block(&call);
        at = 0;
    }
}
