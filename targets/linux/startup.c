/* Start of a Linux program without a libc. Faults end it by a signal. */
#include "platform.h"
#include "semihost.h"

int main(void);
void start(void) __attribute__((noreturn));

void start(void) {
    reset_memory();
    sh_exit(main());
}
