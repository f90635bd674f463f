/* What every UART driver needs; console_facts.h is written by the build from the board's [uart]. */
#ifndef TQS_UART_H
#define TQS_UART_H
#include <stdint.h>

#include "console_facts.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UART(offset) REGISTER(TQS_UART_BASE + (offset))
/* Rounded to nearest. */
#define UART_DIVIDER ((TQS_UART_CLOCK_HZ + TQS_UART_BAUD / 2) / TQS_UART_BAUD)

/* Between two looks at a status register: less than a byte takes, and it leaves the bus to others.
   Simulators serve their side of the line while the bus is free. */
static inline void uart_pause(void) {
    for (int32_t i = 0; i < 32; i++)
        __asm volatile("nop");
}

/* Clocks and pins: the register updates of the board, in their order. */
static inline void uart_set_up(void) {
    static const uint32_t updates[][3] = {TQS_UART_SETUP{0, 0, 0}}; /* address, mask, value */
    for (uint32_t i = 0; updates[i][0] != 0; i++)
        REGISTER(updates[i][0]) = (REGISTER(updates[i][0]) & ~updates[i][1]) | updates[i][2];
}
#endif
