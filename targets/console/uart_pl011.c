/* Arm PrimeCell PL011 (DDI 0183): RP2040, RP2350 and others. Registers: pico-sdk
   src/rp2040/hardware_regs/include/hardware/regs/uart.h and the same file of rp2350. */
#include "console.h"
#include "uart.h"

enum { DR = 0x00, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2C, CR = 0x30 };
enum { RXFE = 1 << 4, TXFF = 1 << 5, EIGHT_BITS_FIFO = 0x70, UART_TX_RX = 0x301 };
/* 1/64 of the divider by 16. */
#define DIVIDER_64 ((4u * TQS_UART_CLOCK_HZ + TQS_UART_BAUD / 2) / TQS_UART_BAUD)

void console_open(void) {
    uart_set_up();
    UART(IBRD) = DIVIDER_64 >> 6;
    UART(FBRD) = DIVIDER_64 & 63u;
    UART(LCR_H) = EIGHT_BITS_FIFO; /* also makes the divider count */
    UART(CR) = UART_TX_RX;
}

uint8_t console_get(void) {
    while ((UART(FR) & RXFE) != 0)
        uart_pause();
    return (uint8_t)UART(DR);
}

void console_put(uint8_t byte) {
    while ((UART(FR) & TXFF) != 0) {
    }
    UART(DR) = byte;
}
