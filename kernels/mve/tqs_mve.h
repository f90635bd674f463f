/* Internal: what the kernels for cores with MVE (Helium) have in common. */
#ifndef TQS_MVE_H
#define TQS_MVE_H

#if !defined(__ARM_FEATURE_MVE)
#error "this file needs a core with MVE; build the file of the same name in dsp/ or above"
#endif

#include <arm_mve.h>
#include <stddef.h>

#include "tqs_fixed.h"
#include "tqs_kernels.h"

#endif
