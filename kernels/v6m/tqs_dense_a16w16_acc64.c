#define TQS_KERNEL tqs_dense_a16w16_acc64
#include "tqs_dense_wide_v6m.h"
