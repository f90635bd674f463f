/* The LED shows the sign of the first forecast value; a new forecast every 100 ms. */
#include <stdio.h>

#include "blink_model.h"
#include "driver/gpio.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

enum { LED = 2 }; /* the pin of your board's LED */

void app_main(void) {
    const tqs_model_status status = blink_begin();
    if (status != TQS_MODEL_OK) {
        printf("weights refused, status %d\n", (int)status);
        return;
    }
    gpio_set_direction((gpio_num_t)LED, GPIO_MODE_OUTPUT);
    for (;;) {
        gpio_set_level((gpio_num_t)LED, (uint32_t)blink_next());
        vTaskDelay(pdMS_TO_TICKS(100));
    }
}
