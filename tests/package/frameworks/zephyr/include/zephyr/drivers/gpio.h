/* Types as of Zephyr's drivers/gpio.h and devicetree.h; the level is printed. */
#ifndef ZEPHYR_DRIVERS_GPIO_H
#define ZEPHYR_DRIVERS_GPIO_H
#include <stdint.h>
#include <stdio.h>

struct gpio_dt_spec {
    const void *port;
    uint8_t pin;
    uint16_t dt_flags;
};
enum { GPIO_OUTPUT_INACTIVE = 1 << 17 | 1 << 18 };
#define DT_ALIAS(alias) DT_N_ALIAS_##alias
#define GPIO_DT_SPEC_GET(node, property) STUB_SPEC(node, property)
#define STUB_SPEC(node, property) node##_P_##property
#define DT_N_ALIAS_led0_P_gpios {0, 13, 0}

static inline int gpio_pin_configure_dt(const struct gpio_dt_spec *spec, uint32_t flags) {
    return spec->pin == 13 && flags == GPIO_OUTPUT_INACTIVE ? 0 : -22;
}

static inline int gpio_pin_set_dt(const struct gpio_dt_spec *spec, int value) {
    (void)spec;
    return printf("%d\n", value) > 0 ? 0 : -1;
}
#endif
