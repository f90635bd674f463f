/* Internal: the loops of the DSP kernels for 16-bit weights. The including file defines TQS_KERNEL
   and TQS_ACT_BITS (8, 16).

   SMLALD adds two products of 16 bits to a 64-bit accumulator. */
#include "tqs_dsp.h"

#if TQS_ACT_BITS == 16
#define TQS_LOAD_FOUR TQS_LOAD_X("%[x]", "%[xa]", "%[xb]")
#else
/* 16-bit weights lie in natural order, so (0, 2), (1, 3) become (0, 1), (2, 3). */
#define TQS_LOAD_FOUR                                                                              \
    TQS_LOAD_X("%[x]", "%[va]", "%[vb]")                                                           \
    "pkhbt %[xa], %[va], %[vb], lsl #16\n\t"                                                       \
    "pkhtb %[xb], %[vb], %[va], asr #16\n\t"
#endif

/* One instruction per line: */
/* clang-format off */

/* Two rows of a quad: their words of two columns times four activations. */
#define TQS_PAIR_BLOCK                                                                             \
    TQS_LOAD_FOUR                                                                                  \
    "ldrd %[va], %[vb], [%[w]], #16\n\t"                                                           \
    "smlald %Q[acc0], %R[acc0], %[va], %[xa]\n\t"                                                  \
    "smlald %Q[acc1], %R[acc1], %[vb], %[xa]\n\t"                                                  \
    "ldrd %[va], %[vb], [%[w]], #16\n\t"                                                           \
    "smlald %Q[acc0], %R[acc0], %[va], %[xb]\n\t"                                                  \
    "smlald %Q[acc1], %R[acc1], %[vb], %[xb]\n\t"
#define TQS_SINGLE_BLOCK                                                                           \
    TQS_LOAD_FOUR                                                                                  \
    "ldrd %[va], %[vb], [%[w]], #8\n\t"                                                            \
    "smlald %Q[acc0], %R[acc0], %[va], %[xa]\n\t"                                                  \
    "smlald %Q[acc0], %R[acc0], %[vb], %[xb]\n\t"
/* clang-format on */

#include "tqs_dense_pair64.h"
