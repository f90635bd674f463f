/* Arm CMSDK APB UART: MPS2 and MPS3 boards. Registers: QEMU hw/char/cmsdk-apb-uart.c. */
#include "console.h"
#include "uart.h"

enum { DATA = 0x00, STATE = 0x04, CTRL = 0x08, BAUDDIV = 0x10 };
enum { TX_FULL = 1, RX_FULL = 2, TX_AND_RX = 3 };

void console_open(void) {
    uart_set_up();
    UART(BAUDDIV) = UART_DIVIDER;
    UART(CTRL) = TX_AND_RX;
}

uint8_t console_get(void) {
    while ((UART(STATE) & RX_FULL) == 0)
        uart_pause();
    return (uint8_t)UART(DATA);
}

void console_put(uint8_t byte) {
    while ((UART(STATE) & TX_FULL) != 0) {
    }
    UART(DATA) = byte;
}
