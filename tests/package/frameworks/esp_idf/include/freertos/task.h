/* A wait ends the program after 40 of them. */
#ifndef FREERTOS_TASK_H
#define FREERTOS_TASK_H
#include <stdlib.h>

#include "freertos/FreeRTOS.h"

static inline void vTaskDelay(TickType_t ticks) {
    static int waits;
    if (ticks != 10 || ++waits == 40)
        exit(ticks == 10 ? 0 : 1);
}
#endif
