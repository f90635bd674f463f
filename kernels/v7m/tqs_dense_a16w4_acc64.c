#define TQS_KERNEL tqs_dense_a16w4_acc64
#define TQS_ACT_BITS 16
#define TQS_WEIGHT_BITS 4
#define TQS_ACC_BITS 64
#include "tqs_dense_v7m.h"
