/* Internal: the MVE dense kernels with a 32-bit accumulator. The including file defines TQS_KERNEL,
   TQS_ACT_BITS (8, 16) and TQS_WEIGHT_BITS (2, 4, 8). */
#if TQS_ACT_BITS == 8
#include "tqs_mve_quads_a8.h"
#else
#include "tqs_mve_quads_a16.h"
#endif
#if TQS_WEIGHT_BITS == 8
#include "tqs_mve_few_words.h"
#endif

/* Rows of x in flight: `count` (1 to 4) rows whose words are `stride` apart, the rows themselves
   `next` words. x may be deeper than planes are kept, so its planes come in chunks. */
typedef struct {
    const tqs_act *x;
    const uint32_t *w;
    const int32_t *bias, *multiplier;
    int16_t *y;
    int32_t shift, depth, count, stride, next;
} tqs_few;

static void tqs_few_rows(const tqs_few *few, tqs_plane_store *store) {
    const int32_t chunk = TQS_ACT_BITS == 8 && TQS_WEIGHT_BITS == 8 ? few->depth : 256;
    uint32_t acc[4];
    for (int32_t row = 0; row < few->count; ++row)
        acc[row] = (uint32_t)few->bias[row];
    for (int32_t start = 0; start < few->depth; start += chunk) {
        const int32_t left = few->depth - start, depth = left < chunk ? left : chunk;
        const tqs_planes planes = tqs_planes_of(few->x + start, depth, store);
        const uint32_t *w = few->w + start / GROUP * few->stride;
        for (int32_t row = 0; row < few->count; ++row, w += few->next)
            acc[row] = tqs_one_row(acc[row] - planes.excess, planes.bytes, w,
                                   (uint32_t)few->stride, (depth + GROUP - 1) / GROUP);
    }
    for (int32_t row = 0; row < few->count; ++row)
        few->y[row] = tqs_sat16(
            tqs_requantize((int32_t)acc[row], few->multiplier[row], few->shift));
}

/* The quads of a call; what `quads` says about x is filled in here. */
static inline void tqs_run_all_quads(const tqs_act *x, int32_t depth, int32_t words,
                                     tqs_quads *quads, tqs_plane_store *store) {
#if TQS_WEIGHT_BITS == 8
    if (words == 1) {
        const int32_t second = TQS_ACT_BITS == 16 ? 2 : 1; /* README.md, "Order of fields" */
        const int32_t bytes[4] = {x[0], x[second], x[3 - second], x[3]};
        tqs_run_one_word_quads(bytes, quads, (int32_t)(quads->y_end - quads->y) / 4);
        return;
    }
#endif
    const tqs_planes planes = tqs_planes_of(x, depth, store);
    const int32_t blocks = words / 4;
    quads->plane = planes.bytes;
    quads->excess = planes.excess;
    quads->tail = words % 4;
#if TQS_ACT_BITS == 16 && TQS_WEIGHT_BITS == 8
    if (words == 4) {
        tqs_run_one_block(quads);
        return;
    }
    if (words == 8) {
        tqs_run_two_blocks(quads);
        return;
    }
#endif
    quads->passes = blocks / TQS_UNROLL;
    quads->odd_block = blocks % TQS_UNROLL;
    quads->rest = quads->tail | quads->odd_block;
    quads->rest_plane = planes.bytes + (blocks - quads->odd_block) * BLOCK_BYTES;
#if TQS_ACT_BITS == 16 && TQS_WEIGHT_BITS == 8
    if (blocks == 0)
        tqs_run_narrow_quads(quads);
    else
#endif
        tqs_run_quads(quads);
}

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int32_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + GROUP - 1) / GROUP);
    const int32_t in_quads = rows & ~3;
    tqs_plane_store store;
    int32_t row = 0;
    if (rows >= 4 && words <= 4 * MAX_BLOCKS) {
        tqs_quads quads; /* no initializer: GCC would call memset */
        quads.left_shift = 31 - shift;
        quads.y_end = y + in_quads;
        quads.w = w;
        quads.y = y;
        quads.bias = bias;
        quads.multiplier = multiplier;
        tqs_run_all_quads(x, depth, words, &quads, &store);
        row = in_quads;
    }
    while (row < rows) {
        const int32_t quad = row < in_quads;
        const tqs_few few = {
            .x = x,
            .w = w + row * words,
            .bias = bias + row,
            .multiplier = multiplier + row,
            .y = y + row,
            .shift = shift,
            .depth = depth,
            .count = quad ? 4 : rows - row,
            .stride = quad ? 4 : 1,
            .next = quad ? 1 : words,
        };
        tqs_few_rows(&few, &store);
        row += few.count;
    }
}
