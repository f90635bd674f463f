/* Semihosting calls. The operation and a pointer to its arguments are in the first two registers;
   on Arm BKPT 0xAB makes the call, on RISC-V an EBREAK between two shifts that do nothing. */
#include "semihost.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_SEEK = 0x0A,
    SYS_EXIT_EXTENDED = 0x20,
    APPLICATION_EXIT = 0x20026
};

#ifdef __riscv
/* The three instructions have 32 bits each and lie in one page. */
static int32_t call(int32_t operation, const void *arguments) {
    register int32_t a0 __asm("a0") = operation;
    register const void *a1 __asm("a1") = arguments;
    __asm volatile(".balign 16\n.option push\n.option norvc\n"
                   "slli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\n.option pop"
                   : "+r"(a0)
                   : "r"(a1)
                   : "memory");
    return a0;
}
#else
static int32_t call(int32_t operation, const void *arguments) {
    register int32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt #0xAB" : "+r"(r0) : "r"(r1) : "memory", "r2", "r3", "r12", "cc");
    return r0;
}
#endif

static uint32_t address(const void *pointer) {
    return (uint32_t)(uintptr_t)pointer;
}

static uint32_t length(const char *text) {
    uint32_t n = 0;
    while (text[n] != '\0')
        n++;
    return n;
}

int32_t sh_open(const char *name, int32_t mode) {
    const uint32_t arguments[3] = {address(name), (uint32_t)mode, length(name)};
    return call(SYS_OPEN, arguments);
}

int32_t sh_seek(int32_t file, int32_t offset) {
    const uint32_t arguments[2] = {(uint32_t)file, (uint32_t)offset};
    return call(SYS_SEEK, arguments);
}

int32_t sh_read(int32_t file, void *buffer, int32_t bytes) {
    const uint32_t arguments[3] = {(uint32_t)file, address(buffer), (uint32_t)bytes};
    return call(SYS_READ, arguments);
}

int32_t sh_write(int32_t file, const void *buffer, int32_t bytes) {
    const uint32_t arguments[3] = {(uint32_t)file, address(buffer), (uint32_t)bytes};
    return call(SYS_WRITE, arguments);
}

int32_t sh_close(int32_t file) {
    const uint32_t arguments[1] = {(uint32_t)file};
    return call(SYS_CLOSE, arguments);
}

void sh_puts(const char *text) {
    (void)call(SYS_WRITE0, text);
}

/* Plain SYS_EXIT cannot carry a status on a 32-bit core; the extended call can. */
void sh_exit(int32_t status) {
    const uint32_t arguments[2] = {APPLICATION_EXIT, (uint32_t)status};
    for (;;)
        (void)call(SYS_EXIT_EXTENDED, arguments);
}
