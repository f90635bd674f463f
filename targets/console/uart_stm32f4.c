/* USART of STM32F1, F2, F4 and L1: status and data registers first. Registers: USART_TypeDef of
   cmsis_device_f1 and f4. */
#include "console.h"
#include "uart.h"

enum { SR = 0x00, DR = 0x04, BRR = 0x08, CR1 = 0x0C };
enum { RXNE = 1 << 5, TXE = 1 << 7, RE = 1 << 2, TE = 1 << 3, UE = 1 << 13 };

void console_open(void) {
    uart_set_up();
    UART(BRR) = UART_DIVIDER;
    UART(CR1) = UE | TE | RE;
}

/* Reading SR, then DR, also clears an overrun. */
uint8_t console_get(void) {
    while ((UART(SR) & RXNE) == 0)
        uart_pause();
    return (uint8_t)UART(DR);
}

void console_put(uint8_t byte) {
    while ((UART(SR) & TXE) == 0) {
    }
    UART(DR) = byte;
}
