#define TQS_KERNEL tqs_dense_a8w2
#define TQS_ACT_BITS 8
#define TQS_WEIGHT_BITS 2
#include "tqs_dense_neon.h"
