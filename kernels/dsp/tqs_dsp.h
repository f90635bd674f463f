/* Internal: what the dense kernels for cores with the DSP extension have in common.
   Their loops are assembly because GCC 12 schedules the same intrinsics until they spill, and folds
   neither the rotation into SXTB16 nor two loads into LDRD; so both compilers run the same loop. */
#ifndef TQS_DSP_H
#define TQS_DSP_H

#ifndef __ARM_FEATURE_DSP
#error "this file needs a core with the DSP extension; build the portable file of the same name"
#endif

/* Four activations from [X], which moves past them, into the half words of A and B: (0, 1), (2, 3)
   or, as bytes extend, (0, 2), (1, 3). */
#if TQS_ACT_BITS == 16
#define TQS_LOAD_X(X, A, B) "ldrd " A ", " B ", [" X "], #8\n\t"
#else
#define TQS_LOAD_X(X, A, B)                                                                        \
    "ldr " B ", [" X "], #4\n\t"                                                                   \
    "sxtb16 " A ", " B "\n\t"                                                                      \
    "sxtb16 " B ", " B ", ror #8\n\t"
#endif

#endif
