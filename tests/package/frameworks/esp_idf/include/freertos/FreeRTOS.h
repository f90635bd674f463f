#ifndef FREERTOS_H
#define FREERTOS_H
#include <stdint.h>

typedef uint32_t TickType_t;
#define pdMS_TO_TICKS(milliseconds) ((TickType_t)((milliseconds) / 10))
#endif
