/* Synopsys DesignWare UART, a 16550 with a divider in sixteenths: Alif Ensemble and others.
   Registers: UART_Type of the Ensemble pack's soc.h, bits: its drivers/include/uart.h. */
#include "console.h"
#include "uart.h"

enum { DATA = 0x00, DLL = 0x00, DLH = 0x04, FCR = 0x08, LCR = 0x0C, LSR = 0x14, DLF = 0xC0 };
enum { DIVIDER_ACCESS = 0x80, EIGHT_BITS = 3, FIFO_ON_AND_EMPTY = 7 };
enum { DATA_READY = 1 << 0, SEND_EMPTY = 1 << 5 };

void console_open(void) {
    uart_set_up();
    UART(LCR) = DIVIDER_ACCESS;
    UART(DLL) = (UART_DIVIDER >> 4) & 0xFFu;
    UART(DLH) = UART_DIVIDER >> 12;
    UART(DLF) = UART_DIVIDER & 15u;
    UART(LCR) = EIGHT_BITS;
    UART(FCR) = FIFO_ON_AND_EMPTY;
}

uint8_t console_get(void) {
    while ((UART(LSR) & DATA_READY) == 0)
        uart_pause();
    return (uint8_t)UART(DATA);
}

void console_put(uint8_t byte) {
    while ((UART(LSR) & SEND_EMPTY) == 0) {
    }
    UART(DATA) = byte;
}
