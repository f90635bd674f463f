/* Semihosting: the file ":tt", which the debugger or simulator connects to a standard input and
   output of its own; needs no pins and no clock. The core stands still during a call, which takes
   a probe milliseconds, so bytes go over in blocks: what is written waits for its packet's end. */
#include "console.h"
#include "semihost_call.h"

enum { READ = 0, WRITE = 4 }; /* modes "r" and "w" of SYS_OPEN */
enum { RECEIVED = 64, WAITING = 256 };

static uint8_t received[RECEIVED], waiting[WAITING];
static int32_t received_bytes, taken_bytes, waiting_bytes;
static int32_t input_file, output_file;

static int32_t open_console(uint32_t mode) {
    static const char name[] = ":tt";
    const uint32_t arguments[3] = {semihost_address(name), mode, sizeof name - 1};
    return semihost_call(SYS_OPEN, arguments);
}

void console_open(void) {
    input_file = open_console(READ);
    output_file = open_console(WRITE);
}

/* How many of the bytes were transferred; the call returns how many were not, or -1. */
static int32_t transfer(int32_t operation, int32_t file, const uint8_t *bytes, int32_t count) {
    const uint32_t arguments[3] = {(uint32_t)file, semihost_address(bytes), (uint32_t)count};
    const int32_t left = semihost_call(operation, arguments);
    return left >= 0 && left <= count ? count - left : 0;
}

/* Debuggers that do not wait for input answer at once, with nothing. */
uint8_t console_get(void) {
    while (taken_bytes >= received_bytes) {
        received_bytes = transfer(SYS_READ, input_file, received, RECEIVED);
        taken_bytes = 0;
    }
    return received[taken_bytes++];
}

/* What the debugger does not take is lost; the packet's CRC tells the host, which asks again. */
static void send_waiting(void) {
    for (int32_t sent = 0; sent < waiting_bytes;) {
        const int32_t more =
            transfer(SYS_WRITE, output_file, &waiting[sent], waiting_bytes - sent);
        sent = more > 0 ? sent + more : waiting_bytes;
    }
    waiting_bytes = 0;
}

void console_put(uint8_t byte) {
    waiting[waiting_bytes++] = byte;
    if (byte == 0 || waiting_bytes == WAITING)
        send_waiting();
}
