/* Internal: the MVE dense kernels with a 32-bit accumulator. The including file defines TQS_KERNEL,
   TQS_ACT_BITS (8, 16) and TQS_WEIGHT_BITS (2, 4, 8). */
#if TQS_ACT_BITS == 8
#include "tqs_mve_quads_a8.h"
#else
#include "tqs_mve_quads_a16.h"
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

void TQS_KERNEL(const tqs_act *restrict x, const uint32_t *restrict w, const int32_t *restrict bias,
                const int32_t *restrict multiplier, int32_t shift, int16_t *restrict y,
                int32_t rows, int32_t depth) {
    TQS_ASSERT(rows >= 1 && depth >= 1 && shift >= 32 && shift <= 62);
    TQS_ASSERT((((uintptr_t)x | (uintptr_t)w) & 3u) == 0);
    const int32_t words = (int32_t)((uint32_t)(depth + GROUP - 1) / GROUP);
    const int32_t in_quads = rows & ~3;
    tqs_plane_store store;
    int32_t row = 0;
    if (rows >= 4 && (TQS_ACT_BITS == 8 || shift > 32) && words <= 4 * MAX_BLOCKS) {
        const tqs_planes planes = tqs_planes_of(x, depth, &store);
        const int32_t blocks = words / 4, tail = words % 4, odd_block = blocks % TQS_UNROLL;
        tqs_quads quads = {
            .plane = planes.bytes,
            .passes = blocks / TQS_UNROLL,
            .left_shift = 32 - shift,
            .excess = planes.excess,
            .rest = tail | odd_block,
            .y_end = y + in_quads,
            .tail = tail,
            .odd_block = odd_block,
            .rest_plane = planes.bytes + (blocks - odd_block) * BLOCK_BYTES,
            .w = w,
            .y = y,
            .bias = bias,
            .multiplier = multiplier,
        };
#if TQS_ACT_BITS == 16 && TQS_WEIGHT_BITS == 8
        if (blocks == 0)
            tqs_run_narrow_quads(&quads);
        else
#elif TQS_ACT_BITS == 8
        if (shift == 32)
            tqs_run_quads_at_32(&quads);
        else
#endif
            tqs_run_quads(&quads);
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
