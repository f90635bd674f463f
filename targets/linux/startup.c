/* Start of a Linux program without a libc. Faults end it by a signal. */
#include <stdint.h>

#include "platform.h"
#include "semihost.h"

/* Makes linkers take the section of the stack, which holds nothing else, for writable memory. */
__attribute__((section(".bss.stack_base"), used)) static int64_t stack_base[2];

int main(void);
void start(void) __attribute__((noreturn));
int raise(int signal);

void start(void) {
    reset_memory();
    sh_exit(main());
}

/* What the compiler's support library calls for a division by zero. */
int raise(int signal) {
    sh_exit(128 + signal);
}
