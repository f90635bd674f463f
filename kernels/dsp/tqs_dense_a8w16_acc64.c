#define TQS_KERNEL tqs_dense_a8w16_acc64
#define TQS_ACT_BITS 8
#include "tqs_dense_pair64_dsp.h"
