/* UARTE of nRF52 (product specifications, UARTE; offsets and BAUDRATE values: mdk/nrf52840.h and
   nrf52840_bitfields.h of NordicSemiconductor/nrfx). It moves bytes to and from RAM by itself. What
   arrives is taken one byte at a time, as nothing tells how much of a larger transfer has come;
   the receiver holds the few bytes that come between two of them. The setup selects the pins. */
#include "console.h"
#include "uart.h"

enum {
    STARTRX = 0x000,
    STARTTX = 0x008,
    ENDRX = 0x110,
    ENDTX = 0x120,
    ENABLE = 0x500,
    BAUDRATE = 0x524,
    RXD_PTR = 0x534,
    RXD_MAXCNT = 0x538,
    TXD_PTR = 0x544,
    TXD_MAXCNT = 0x548
};
enum { ENABLED = 8, WAITING = 64 }; /* nRF52832 counts to 255 */

#if TQS_UART_BAUD == 9600
#define BAUD_VALUE 0x00275000u
#elif TQS_UART_BAUD == 57600
#define BAUD_VALUE 0x00EB0000u
#elif TQS_UART_BAUD == 115200
#define BAUD_VALUE 0x01D60000u
#elif TQS_UART_BAUD == 230400
#define BAUD_VALUE 0x03B00000u
#elif TQS_UART_BAUD == 460800
#define BAUD_VALUE 0x07400000u
#elif TQS_UART_BAUD == 921600
#define BAUD_VALUE 0x0F000000u
#elif TQS_UART_BAUD == 1000000
#define BAUD_VALUE 0x10000000u
#else
#error "baud of a UARTE: 9600, 57600, 115200, 230400, 460800, 921600 or 1000000"
#endif

/* In RAM: EasyDMA does not reach flash. */
static volatile uint8_t received, waiting[WAITING];
static uint32_t waiting_bytes;

static uint32_t address(const volatile uint8_t *bytes) {
    return (uint32_t)(uintptr_t)bytes;
}

static void receive_next(void) {
    UART(ENDRX) = 0;
    UART(STARTRX) = 1;
}

void console_open(void) {
    uart_set_up();
    UART(BAUDRATE) = BAUD_VALUE;
    UART(ENABLE) = ENABLED;
    UART(RXD_PTR) = address(&received);
    UART(RXD_MAXCNT) = 1;
    receive_next();
}

uint8_t console_get(void) {
    while (UART(ENDRX) == 0)
        uart_pause();
    const uint8_t byte = received;
    receive_next();
    return byte;
}

static void send_waiting(void) {
    UART(ENDTX) = 0;
    UART(TXD_PTR) = address(waiting);
    UART(TXD_MAXCNT) = waiting_bytes;
    UART(STARTTX) = 1;
    while (UART(ENDTX) == 0) {
    }
    waiting_bytes = 0;
}

void console_put(uint8_t byte) {
    waiting[waiting_bytes++] = byte;
    if (byte == 0 || waiting_bytes == WAITING) /* a packet ends in zero */
        send_waiting();
}
