#define TQS_KERNEL tqs_dense_a16w8
#define TQS_ACT_BITS 16
#define TQS_WEIGHT_BITS 8
#include "tqs_dense_mve.h"
