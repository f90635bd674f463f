/* The LED shows the sign of the first forecast value; a new forecast every 100 ms. */
#include <zephyr/drivers/gpio.h>
#include <zephyr/kernel.h>

#include "blink_model.h"

static const struct gpio_dt_spec led = GPIO_DT_SPEC_GET(DT_ALIAS(led0), gpios);

int main(void) {
    const tqs_model_status status = blink_begin();
    if (status != TQS_MODEL_OK || gpio_pin_configure_dt(&led, GPIO_OUTPUT_INACTIVE) != 0) {
        printk("weights refused (status %d), or no LED\n", (int)status);
        return 0;
    }
    for (;;) {
        (void)gpio_pin_set_dt(&led, blink_next());
        k_msleep(100);
    }
}
