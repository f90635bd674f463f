/* Internal: x as the MVE dense kernels multiply it, and rows taken one at a time.

   A block is four words of each row, 16 bytes, or FIELDS vectors of 16 weights in bytes: those in
   the lowest bits of all bytes, those above, and so on. VMLADAVA multiplies bytes, so x is laid out
   once per call as PLANES vectors of 16 bytes for every field, in its weights' order. For 8-bit x
   that is x itself; 16-bit x is split, x = 256 high + low with high signed and low unsigned. Both
   operands of VMLADAVA are signed or both are unsigned: offset-binary weights are good for either,
   and 8-bit weights meet low as w + 128, which adds 128 * sum(low) too much. 16-bit lanes would
   cost two instructions to widen each vector of weights. Beyond depth planes are 0 or, of
   8-bit weights, what the padding of x holds, which meets weights of value 0. */
#ifndef TQS_MVE_PLANES_H
#define TQS_MVE_PLANES_H

#include "tqs_mve.h"

#if TQS_ACT_BITS == 16
typedef int16_t tqs_act;
enum { PLANES = 2 };
#else
typedef int8_t tqs_act;
enum { PLANES = 1 };
#endif

enum {
    GROUP = 32 / TQS_WEIGHT_BITS,
    FIELDS = 8 / TQS_WEIGHT_BITS,
    BLOCK = 4 * GROUP, /* weights of a row in a block */
    PLANE_BYTES = 16,
    BLOCK_BYTES = FIELDS * PLANES * PLANE_BYTES,
    MAX_BLOCKS = 256 / BLOCK /* of which planes are kept on the stack */
};

/* Where the weights of one call meet x: PLANES * FIELDS vectors for each block. */
typedef struct {
    const int8_t *bytes;
    uint32_t excess; /* what offset-binary weights add too much to every row, modulo 2^32 */
} tqs_planes;

#if TQS_ACT_BITS == 8 && TQS_WEIGHT_BITS == 8

/* The order of the weights is the order of x, and beyond depth they are 0. */
typedef struct {
    int8_t unused;
} tqs_plane_store;

static inline tqs_planes tqs_planes_of(const int8_t *x, int32_t depth, tqs_plane_store *store) {
    (void)depth;
    (void)store;
    return (tqs_planes){x, 0};
}

#else

typedef struct {
    int8_t bytes[MAX_BLOCKS * BLOCK_BYTES];
} tqs_plane_store;

/* Element of x, relative to its word's, for the lowest field of each byte of a word; what the next
   fields add to it. */
#if TQS_ACT_BITS == 8 && TQS_WEIGHT_BITS == 4
#define TQS_FIRST_FIELD(n) (n), (n) + 4, (n) + 2, (n) + 6
#define TQS_FIELD_STEPS {0, 1}
#elif TQS_ACT_BITS == 8
#define TQS_FIRST_FIELD(n) (n), (n) + 8, (n) + 2, (n) + 10
#define TQS_FIELD_STEPS {0, 1, 4, 5}
#elif TQS_WEIGHT_BITS == 8
#define TQS_FIRST_FIELD(n) 2 * (n), 2 * (n) + 4, 2 * (n) + 2, 2 * (n) + 6
#define TQS_FIELD_STEPS {0}
#elif TQS_WEIGHT_BITS == 4
#define TQS_FIRST_FIELD(n) 2 * (n), 2 * (n) + 8, 2 * (n) + 2, 2 * (n) + 10
#define TQS_FIELD_STEPS {0, 4}
#else
#define TQS_FIRST_FIELD(n) 2 * (n), 2 * (n) + 16, 2 * (n) + 2, 2 * (n) + 18
#define TQS_FIELD_STEPS {0, 4, 8, 12}
#endif

/* Bytes at from + offset; 0 in place of those that lie at `end` or beyond, where a block can be
   longer than what x is padded to. */
static inline int8x16_t tqs_gather(const int8_t *from, uint8x16_t offset, uint8x16_t end) {
#if TQS_WEIGHT_BITS == 8
    (void)end;
    return vldrbq_gather_offset_s8(from, offset);
#else
    return vldrbq_gather_offset_z_s8(from, offset, vcmphiq_u8(end, offset));
#endif
}

/* Planes of x[0 .. depth-1], at most MAX_BLOCKS blocks, written to `store`. */
static tqs_planes tqs_planes_of(const tqs_act *x, int32_t depth, tqs_plane_store *store) {
    static const uint8_t first[16] = {TQS_FIRST_FIELD(0), TQS_FIRST_FIELD(GROUP),
                                      TQS_FIRST_FIELD(2 * GROUP), TQS_FIRST_FIELD(3 * GROUP)};
    static const uint8_t step[FIELDS] = TQS_FIELD_STEPS;
    const uint8x16_t lowest = vldrbq_u8(first);
    const int8_t *from = (const int8_t *)x;
    int8_t *to = store->bytes;
    uint32_t low_sum = 0;
    int32_t high_sum = 0;
    for (int32_t left = depth; left > 0; left -= BLOCK) {
        const int32_t bytes = (int32_t)sizeof(tqs_act) * left;
        const uint8x16_t end = vdupq_n_u8((uint8_t)(bytes < 255 ? bytes : 255));
        for (int32_t field = 0; field < FIELDS; ++field) {
            const uint8x16_t offset = vaddq_n_u8(lowest, step[field]);
#if TQS_ACT_BITS == 16
            const int8x16_t high = tqs_gather(from + 1, offset, end);
            const uint8x16_t low = vreinterpretq_u8_s8(tqs_gather(from, offset, end));
            high_sum = vaddvaq_s8(high_sum, high);
            low_sum = vaddvaq_u8(low_sum, low);
            vstrbq_s8(to, high);
            vstrbq_u8((uint8_t *)to + PLANE_BYTES, low);
#else
            const int8x16_t all = tqs_gather(from, offset, end);
            high_sum = vaddvaq_s8(high_sum, all);
            vstrbq_s8(to, all);
#endif
            to += PLANES * PLANE_BYTES;
        }
        from += (int32_t)sizeof(tqs_act) * BLOCK;
    }
#if TQS_WEIGHT_BITS == 8
    (void)high_sum;
    return (tqs_planes){store->bytes, low_sum << 7};
#else
    const uint32_t sum = low_sum + ((uint32_t)high_sum << (TQS_ACT_BITS - 8));
    return (tqs_planes){store->bytes, sum << (TQS_WEIGHT_BITS - 1)};
#endif
}

#endif

/* acc + one row, whose words are `stride` words apart, modulo 2^32. */
static inline uint32_t tqs_one_row(uint32_t acc, const int8_t *plane, const uint32_t *w,
                                   uint32_t stride, int32_t words) {
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 4), stride);
    int32_t sum = TQS_ACT_BITS == 8 ? (int32_t)acc : 0;
#if TQS_ACT_BITS == 16
    uint32_t low_sum = acc;
#endif
    for (; words > 0; words -= 4, w += 4 * stride) {
        uint8x16_t packed =
            vreinterpretq_u8_u32(vldrwq_gather_offset_z_u32(w, offsets, vctp32q((uint32_t)words)));
        for (int32_t field = 0; field < FIELDS; ++field, plane += PLANES * PLANE_BYTES) {
#if TQS_WEIGHT_BITS == 8
            const uint8x16_t weights = packed;
#else
            const uint8x16_t weights = vandq_u8(packed, vdupq_n_u8((1 << TQS_WEIGHT_BITS) - 1));
            packed = vshrq_n_u8(packed, TQS_WEIGHT_BITS);
#endif
            sum = vmladavaq_s8(sum, vreinterpretq_s8_u8(weights), vldrbq_s8(plane));
#if TQS_ACT_BITS == 16
            const uint8x16_t low = vldrbq_u8((const uint8_t *)plane + PLANE_BYTES);
            const uint8_t sign = TQS_WEIGHT_BITS == 8 ? 128 : 0;
            low_sum = vmladavaq_u8(low_sum, veorq_u8(weights, vdupq_n_u8(sign)), low);
#endif
        }
    }
#if TQS_ACT_BITS == 16
    return low_sum + ((uint32_t)sum << 8);
#else
    return (uint32_t)sum;
#endif
}

#endif
