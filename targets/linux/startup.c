/* Start of a Linux program without a libc. Faults end it by a signal. */
#include <stdint.h>

#include "platform.h"
#include "semihost.h"

/* Makes linkers take the section of the stack, which holds nothing else, for writable memory. */
__attribute__((section(".bss.stack_base"), used)) static int64_t stack_base[2];

int main(void);
void start(void) __attribute__((noreturn));

void start(void) {
    reset_memory();
    sh_exit(main());
}
