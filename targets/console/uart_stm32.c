/* USART of STM32F0, F3, F7, G0, G4, H7, L4, L5 and U5: control registers first, flags cleared by
   hand. Registers: USART_TypeDef of cmsis_device_f7, g0, h7, l4 and u5. */
#include "console.h"
#include "uart.h"

enum { CR1 = 0x00, BRR = 0x0C, ISR = 0x1C, ICR = 0x20, RDR = 0x24, TDR = 0x28 };
enum { UE = 1 << 0, RE = 1 << 2, TE = 1 << 3, ORE = 1 << 3, RXNE = 1 << 5, TXE = 1 << 7 };

void console_open(void) {
    uart_set_up();
    UART(BRR) = UART_DIVIDER;
    UART(CR1) = UE | TE | RE;
}

uint8_t console_get(void) {
    while ((UART(ISR) & RXNE) == 0) {
        UART(ICR) = ORE; /* while it is set nothing arrives; the packet's CRC tells of the loss */
        uart_pause();
    }
    return (uint8_t)UART(RDR);
}

void console_put(uint8_t byte) {
    while ((UART(ISR) & TXE) == 0) {
    }
    UART(TDR) = byte;
}
