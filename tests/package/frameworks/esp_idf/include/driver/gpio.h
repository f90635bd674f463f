/* Types as of ESP-IDF's driver/gpio.h; the level is printed. */
#ifndef DRIVER_GPIO_H
#define DRIVER_GPIO_H
#include <stdint.h>
#include <stdio.h>

typedef int esp_err_t;
typedef enum { GPIO_NUM_0 = 0, GPIO_NUM_MAX = 22 } gpio_num_t;
typedef enum { GPIO_MODE_OUTPUT = 2 } gpio_mode_t;

static inline esp_err_t gpio_set_direction(gpio_num_t pin, gpio_mode_t mode) {
    return pin < GPIO_NUM_MAX && mode == GPIO_MODE_OUTPUT ? 0 : -1;
}

static inline esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level) {
    (void)pin;
    return printf("%u\n", (unsigned)level) > 0 ? 0 : -1;
}
#endif
