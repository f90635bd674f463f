#define TQS_KERNEL tqs_dense_a8w16_acc64
#define TQS_ACT_BITS 8
#define TQS_WEIGHT_BITS 16
#define TQS_ACC_BITS 64
#include "tqs_dense_v6m.h"
