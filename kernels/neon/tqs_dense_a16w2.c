#define TQS_KERNEL tqs_dense_a16w2
#define TQS_ACT_BITS 16
#define TQS_WEIGHT_BITS 2
#include "tqs_dense_neon.h"
