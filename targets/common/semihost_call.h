/* One semihosting call (ARM-software/abi-aa, semihosting.rst). The operation and a pointer to its
   arguments are in the first two registers; on Arm BKPT 0xAB makes the call, on RISC-V an EBREAK
   between two shifts that do nothing. Without a debugger that answers, the call is a fault. */
#ifndef TQS_SEMIHOST_CALL_H
#define TQS_SEMIHOST_CALL_H
#include <stdint.h>

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_SEEK = 0x0A,
    SYS_EXIT_EXTENDED = 0x20
};

#ifdef __riscv
/* The three instructions have 32 bits each and lie in one page. */
static inline int32_t semihost_call(int32_t operation, const void *arguments) {
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
static inline int32_t semihost_call(int32_t operation, const void *arguments) {
    register int32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt #0xAB" : "+r"(r0) : "r"(r1) : "memory", "r2", "r3", "r12", "cc");
    return r0;
}
#endif

static inline uint32_t semihost_address(const void *pointer) {
    return (uint32_t)(uintptr_t)pointer;
}
#endif
