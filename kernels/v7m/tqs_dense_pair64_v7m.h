/* Internal: the dense kernels of Armv7-M for 16-bit weights. The including file defines TQS_KERNEL
   and TQS_ACT_BITS (8, 16).

   SMLAL adds a product to a 64-bit accumulator; a weight is cut out and multiplied, one by one. */

/* One instruction per line: */
/* clang-format off */
#if TQS_ACT_BITS == 16
#define TQS_LOAD_ONE(x) "ldrsh " x ", [%[x]], #2\n\t"
#else
#define TQS_LOAD_ONE(x) "ldrsb " x ", [%[x]], #1\n\t"
#endif
#define TQS_ADD_ONE(acc, weight, x) "smlal %Q[" acc "], %R[" acc "], " weight ", " x "\n\t"
/* A word of two rows of a quad; xb is free until its activation is loaded. */
#define TQS_PAIR_COLUMN                                                                            \
    TQS_LOAD_ONE("%[xa]")                                                                          \
    "ldrd %[va], %[vb], [%[w]], #16\n\t"                                                           \
    "sxth %[xb], %[va]\n\t"                                                                        \
    TQS_ADD_ONE("acc0", "%[xb]", "%[xa]")                                                          \
    "sxth %[xb], %[vb]\n\t"                                                                        \
    TQS_ADD_ONE("acc1", "%[xb]", "%[xa]")                                                          \
    TQS_LOAD_ONE("%[xb]")                                                                          \
    "asr %[va], %[va], #16\n\t"                                                                    \
    TQS_ADD_ONE("acc0", "%[va]", "%[xb]")                                                          \
    "asr %[vb], %[vb], #16\n\t"                                                                    \
    TQS_ADD_ONE("acc1", "%[vb]", "%[xb]")
#define TQS_PAIR_BLOCK TQS_PAIR_COLUMN TQS_PAIR_COLUMN
#define TQS_SINGLE_WORD                                                                            \
    TQS_LOAD_ONE("%[xa]")                                                                          \
    TQS_LOAD_ONE("%[xb]")                                                                          \
    "ldr %[va], [%[w]], #4\n\t"                                                                    \
    "sxth %[vb], %[va]\n\t"                                                                        \
    TQS_ADD_ONE("acc0", "%[vb]", "%[xa]")                                                          \
    "asr %[va], %[va], #16\n\t"                                                                    \
    TQS_ADD_ONE("acc0", "%[va]", "%[xb]")
#define TQS_SINGLE_BLOCK TQS_SINGLE_WORD TQS_SINGLE_WORD
/* clang-format on */

#include "tqs_dense_pair64.h"
