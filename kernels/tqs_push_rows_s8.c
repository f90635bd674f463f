#include "tqs_push_rows.h"

TQS_DEFINE_PUSH_ROWS(tqs_push_rows_s8, int8_t)
