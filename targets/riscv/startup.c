/* Reset and traps of any RISC-V core in machine mode, without a libc.
   Exit status: main's, 254 after a fault. */
#include <stdint.h>

#include "platform.h"
#include "semihost.h"

enum { FAULT = 254 };

int main(void);
void start(void) __attribute__((noreturn));
void report_fault(uint32_t pc, uint32_t cause, uint32_t address) __attribute__((noreturn));

void start(void) {
    reset_memory();
    sh_exit(main());
}

void report_fault(uint32_t pc, uint32_t cause, uint32_t address) {
    sh_puts("FAULT pc=");
    sh_put_hex(pc);
    sh_puts(" cause=");
    sh_put_hex(cause);
    sh_puts(" address=");
    sh_put_hex(address);
    sh_puts("\n");
    sh_exit(FAULT);
}
