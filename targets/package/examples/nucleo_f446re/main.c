/* Without any framework on a NUCLEO-F446RE: LED LD2 (PA5) shows the sign of the first forecast
   value. Registers: ST's cmsis_device_f4, stm32f446xx.h. */
#include <stdint.h>

#include "blink_model.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define GPIOA_MODER REGISTER(0x40020000u)
#define GPIOA_BSRR REGISTER(0x40020018u)
#define CPACR REGISTER(0xE000ED88u)

enum { LED_PIN = 5, PAUSE = 200000 }; /* loops of about 8 cycles at 16 MHz: 0.1 s */

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];

int main(void);
void reset_handler(void);

int main(void) {
    RCC_AHB1ENR |= 1u;
    GPIOA_MODER = (GPIOA_MODER & ~(3u << (2 * LED_PIN))) | (1u << (2 * LED_PIN));
    if (blink_begin() != TQS_MODEL_OK)
        return 1;
    for (;;) {
        GPIOA_BSRR = blink_next() ? 1u << LED_PIN : 1u << (LED_PIN + 16);
        for (int32_t i = 0; i < PAUSE; i++)
            __asm volatile("nop");
    }
}

void reset_handler(void) {
    CPACR |= 0xFu << 20; /* FPU on, whatever the compiler makes of it */
    __asm volatile("dsb\n isb" ::: "memory");
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    (void)main();
    for (;;) {
    }
}

static void halt(void) {
    for (;;) {
    }
}

typedef union {
    const void *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top}, {.handler = reset_handler}, {.handler = halt}, {.handler = halt},
    {.handler = halt},    {.handler = halt},          {.handler = halt}, {.handler = halt},
    {.handler = halt},    {.handler = halt},          {.handler = halt}, {.handler = halt},
    {.handler = halt},    {.handler = halt},          {.handler = halt}, {.handler = halt},
};
