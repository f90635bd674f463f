/* The link over standard input and output, so that sanitizers watch it; exits at its end. */
#include "console.h"

#include <stdio.h>
#include <stdlib.h>

#include "platform.h"

void console_open(void) {
}

uint8_t console_get(void) {
    (void)fflush(stdout);
    const int byte = getchar();
    if (byte == EOF)
        exit(0);
    return (uint8_t)byte;
}

void console_put(uint8_t byte) {
    (void)putchar(byte);
}

int32_t platform_stack_bytes(void) {
    return -1;
}

bool platform_start_cycles(void) {
    return false;
}

uint32_t platform_cycles(void) {
    return 0;
}
