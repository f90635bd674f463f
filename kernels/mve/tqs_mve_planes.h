/* Internal: x as the MVE dense kernels multiply it, and rows taken one at a time.

   A block is four words of each row, 16 bytes, or FIELDS vectors of 16 weights in signed bytes:
   those in the lowest bits of all bytes, those above, and so on. VMLADAVA multiplies signed bytes,
   so x is laid out once per call as PLANES vectors of 16 bytes for every field, in its weights'
   order. For 8-bit x that is x itself; 16-bit x is split without loss, x = 256 (high + carry) + low,
     low = x & 255 as a signed byte, high = min((x - low) / 256, 127), carry = 1 from 32640 on,
   and carry planes are left out of the loops while no x is that large. Beyond depth planes are 0.
   Half the vectors of 16-bit lanes multiply as many weights, but widening each of them by two
   instructions more costs more than the second multiplication. */
#ifndef TQS_MVE_PLANES_H
#define TQS_MVE_PLANES_H

#include "tqs_mve.h"

#if TQS_ACT_BITS == 16
typedef int16_t tqs_act;
enum { PLANES = 3 };
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
    uint32_t excess; /* 2^(bits-1) * sum(x): what offset-binary weights add too much, mod 2^32 */
    int32_t carries; /* whether a carry is not 0 */
} tqs_planes;

#if TQS_ACT_BITS == 8 && TQS_WEIGHT_BITS == 8

/* The order of the weights is the order of x, and beyond depth they are 0. */
typedef struct {
    int8_t unused;
} tqs_plane_store;

static inline tqs_planes tqs_planes_of(const int8_t *x, int32_t depth, tqs_plane_store *store) {
    (void)depth;
    (void)store;
    return (tqs_planes){x, 0, 0};
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

/* Planes of x[0 .. depth-1], at most MAX_BLOCKS blocks, written to `store`. */
static tqs_planes tqs_planes_of(const tqs_act *x, int32_t depth, tqs_plane_store *store) {
    static const uint8_t first[16] = {TQS_FIRST_FIELD(0), TQS_FIRST_FIELD(GROUP),
                                      TQS_FIRST_FIELD(2 * GROUP), TQS_FIRST_FIELD(3 * GROUP)};
    static const uint8_t step[FIELDS] = TQS_FIELD_STEPS;
    const uint8x16_t lowest = vldrbq_u8(first);
    const int8_t *from = (const int8_t *)x;
    int8_t *to = store->bytes;
    int32_t sum = 0;
#if TQS_ACT_BITS == 16
    int32_t high_sum = 0;
    uint8x16_t any = vdupq_n_u8(0);
#endif
    for (int32_t left = depth; left > 0; left -= BLOCK) {
        const int32_t bytes = (int32_t)sizeof(tqs_act) * left;
        for (int32_t field = 0; field < FIELDS; ++field) {
            const uint8x16_t offset = vaddq_n_u8(lowest, step[field]);
            const mve_pred16_t inside =
                vcmphiq_u8(vdupq_n_u8((uint8_t)(bytes < 255 ? bytes : 255)), offset);
            const int8x16_t low = vldrbq_gather_offset_z_s8(from, offset, inside);
            sum = vaddvaq_s8(sum, low);
#if TQS_ACT_BITS == 16
            const int8x16_t floor = vldrbq_gather_offset_z_s8(from + 1, offset, inside);
            const int8x16_t borrow = vshrq_n_s8(low, 7);
            const int8x16_t high = vqsubq_s8(floor, borrow);
            const int8x16_t carry = vsubq_s8(vsubq_s8(floor, borrow), high); /* 256 = 0 */
            vstrbq_s8(to, high);
            vstrbq_s8(to + PLANE_BYTES, low);
            vstrbq_s8(to + 2 * PLANE_BYTES, carry);
            high_sum = vaddvaq_s8(vaddvaq_s8(high_sum, high), carry);
            any = vorrq_u8(any, vreinterpretq_u8_s8(carry));
#else
            vstrbq_s8(to, low);
#endif
            to += PLANES * PLANE_BYTES;
        }
        from += (int32_t)sizeof(tqs_act) * BLOCK;
    }
    tqs_planes planes = {store->bytes, (uint32_t)sum, 0};
#if TQS_ACT_BITS == 16
    planes.excess += (uint32_t)high_sum << 8;
    planes.carries = vaddvq_u8(any) != 0;
#endif
    planes.excess = TQS_WEIGHT_BITS < 8 ? planes.excess << (TQS_WEIGHT_BITS - 1) : 0;
    return planes;
}

#endif

/* acc + one row, whose words are `stride` words apart, modulo 2^32. */
static inline uint32_t tqs_one_row(uint32_t acc, const int8_t *plane, const uint32_t *w,
                                   uint32_t stride, int32_t words) {
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 4), stride);
    int32_t low = (int32_t)acc;
    int32_t high = 0;
    for (; words > 0; words -= 4, w += 4 * stride) {
        uint8x16_t packed =
            vreinterpretq_u8_u32(vldrwq_gather_offset_z_u32(w, offsets, vctp32q((uint32_t)words)));
        for (int32_t field = 0; field < FIELDS; ++field, plane += PLANES * PLANE_BYTES) {
#if TQS_WEIGHT_BITS == 8
            const int8x16_t weights = vreinterpretq_s8_u8(packed);
#else
            const int8x16_t weights = vreinterpretq_s8_u8(
                vandq_u8(packed, vdupq_n_u8((1 << TQS_WEIGHT_BITS) - 1)));
            packed = vshrq_n_u8(packed, TQS_WEIGHT_BITS);
#endif
#if TQS_ACT_BITS == 16
            high = vmladavaq_s8(high, weights, vldrbq_s8(plane));
            low = vmladavaq_s8(low, weights, vldrbq_s8(plane + PLANE_BYTES));
            high = vmladavaq_s8(high, weights, vldrbq_s8(plane + 2 * PLANE_BYTES));
#else
            low = vmladavaq_s8(low, weights, vldrbq_s8(plane));
#endif
        }
    }
    return (uint32_t)low + ((uint32_t)high << 8);
}

#endif
