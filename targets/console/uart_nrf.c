/* UART of nRF51 and nRF52, the one without DMA. Registers: NRF_UART_Type of nrfx bsp/stable/mdk
   nrf51.h, nrf52.h, nrf52833.h and nrf52840.h. The board's setup selects the pins. */
#include "console.h"
#include "uart.h"

enum {
    STARTRX = 0x000,
    STARTTX = 0x008,
    RXDRDY = 0x108,
    TXDRDY = 0x11C,
    ENABLE = 0x500,
    RXD = 0x518,
    TXD = 0x51C,
    BAUDRATE = 0x524
};
enum { ENABLED = 4 };
/* baud * 2^32 / 16 MHz, rounded to the 20 bits that count. */
#define BAUD_VALUE ((uint32_t)((((uint64_t)TQS_UART_BAUD << 32) / 16000000u + 0x800u) & ~0xFFFull))

void console_open(void) {
    uart_set_up();
    UART(BAUDRATE) = BAUD_VALUE;
    UART(ENABLE) = ENABLED;
    UART(STARTRX) = 1;
    UART(STARTTX) = 1;
}

uint8_t console_get(void) {
    while (UART(RXDRDY) == 0)
        uart_pause();
    UART(RXDRDY) = 0; /* before RXD, so that the next byte's event is not lost */
    return (uint8_t)UART(RXD);
}

void console_put(uint8_t byte) {
    UART(TXDRDY) = 0;
    UART(TXD) = byte;
    while (UART(TXDRDY) == 0) {
    }
}
