/* Internal: a call of a dense kernel as the loop over quads (four rows) sees it, and what the loops
   of 8- and 16-bit x share. The loops are assembly because GCC 12 makes no low-overhead loops,
   copies what VLD4 loads and spills. */
#ifndef TQS_MVE_QUADS_H
#define TQS_MVE_QUADS_H

#include "tqs_mve_planes.h"

#if TQS_ACT_BITS == 16 && TQS_WEIGHT_BITS == 8
enum { TQS_UNROLL = 2 };
#else
enum { TQS_UNROLL = 1 };
#endif

/* The assembly knows the order and the offsets. */
typedef struct {
    const int8_t *plane;
    int32_t passes;            /*  4: of the loop, TQS_UNROLL blocks each */
    int32_t left_shift;        /*  8: 31 - shift, negative */
    uint32_t excess;           /* 12 */
    int32_t rest;              /* 16: whether there is more than what the loop does */
    const int16_t *y_end;      /* 20: a multiple of four rows */
    int32_t tail;              /* 24: words of each row in the last, partial block */
    int32_t odd_block;         /* 28: whether a whole one is left by the loop */
    const int8_t *rest_plane;  /* 32: of the odd block or the tail */
    const uint32_t *w;         /* 36 */
    int16_t *y;                /* 40 */
    const int32_t *bias;       /* 44 */
    const int32_t *multiplier; /* 48 */
} tqs_quads;
typedef char tqs_quads_layout[offsetof(tqs_quads, multiplier) == 48 ? 1 : -1];

/* One instruction per line: */
/* clang-format off */

/* Four words of each of four rows into q0 to q3; r1 moves past them. */
#define TQS_LOAD_WORDS                                                                             \
    "vld40.32 {q0, q1, q2, q3}, [r1]\n\t"                                                          \
    "vld41.32 {q0, q1, q2, q3}, [r1]\n\t"                                                          \
    "vld42.32 {q0, q1, q2, q3}, [r1]\n\t"                                                          \
    "vld43.32 {q0, q1, q2, q3}, [r1]!\n\t"

/* The same of fewer words, r5, from the addresses in q6 on, and 0 in place of the others, which may
   not exist. */
#define TQS_LOAD_TAIL_WORDS                                                                        \
    "vctp.32 r5\n\t"                                                                               \
    "vpstttt\n\t"                                                                                  \
    "vldrwt.u32 q0, [q6]\n\t"                                                                      \
    "vldrwt.u32 q1, [q6, #4]\n\t"                                                                  \
    "vldrwt.u32 q2, [q6, #8]\n\t"                                                                  \
    "vldrwt.u32 q3, [q6, #12]\n\t"                                                                 \
    "add r1, r1, r5, lsl #4\n\t"

/* The fields of a block in turn. FIELD(q0 to q3, or what CUT makes of them): where the weights are,
   how they come there, and how the next field comes down after their use. */
#define TQS_WHOLE(q) q, "", ""
#define TQS_CUT(q) "q6", "vand q6, " q ", q7\n\t", "vshr.u8 " q ", " q ", #" TQS_WIDTH "\n\t"
#if TQS_WEIGHT_BITS == 8
#define TQS_MASK ""
#define TQS_FIELDS(FIELD) FIELD(TQS_WHOLE)
#else
#if TQS_WEIGHT_BITS == 4
#define TQS_WIDTH "4"
#define TQS_MASK "vmov.i8 q7, #15\n\t"
#define TQS_OTHER_FIELDS "1"
#else
#define TQS_WIDTH "2"
#define TQS_MASK "vmov.i8 q7, #3\n\t"
#define TQS_OTHER_FIELDS "3"
#endif
#define TQS_FIELDS(FIELD)                                                                          \
    ".rept " TQS_OTHER_FIELDS "\n\t"                                                               \
    FIELD(TQS_CUT)                                                                                 \
    ".endr\n\t"                                                                                    \
    FIELD(TQS_WHOLE)
#endif

/* Four accumulators r0, r2, r4, r6 to four outputs: sat16((acc * m + 2^(shift-1)) >> shift). The
   product without its low 31 bits always fits 32, and as shift > 31 half of the last place can be
   added to it, by VRSHL. */
#define TQS_ACC_TO_VECTOR                                                                          \
    "vmov q0[2], q0[0], r0, r4\n\t"                                                                \
    "vmov q0[3], q0[1], r2, r6\n\t"
#define TQS_OUTPUT(multiplier, left_shift)                                                         \
    "vldrw.u32 q1, [" multiplier "], #16\n\t"                                                      \
    "vqdmulh.s32 q0, q0, q1\n\t"                                                                   \
    "vrshl.s32 q0, " left_shift "\n\t"                                                             \
    "vqmovnb.s32 q0, q0\n\t"                                                                       \
    "vstrh.32 q0, [r7], #8\n\t"

#endif
