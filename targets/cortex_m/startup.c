/* Vector table, reset and faults of any Cortex-M, without a libc or CMSIS.
   Exit status: main's, 254 after a fault, 253 after an exception nobody asked for. */
#include <stdint.h>

#include "platform.h"
#include "semihost.h"

enum { UNEXPECTED = 253, FAULT = 254 };

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define VTOR REGISTER(0xE000ED08u)
#define CCR REGISTER(0xE000ED14u)
#define CFSR REGISTER(0xE000ED28u)
#define BFAR REGISTER(0xE000ED38u)
#define CPACR REGISTER(0xE000ED88u)

/* Symbols of the linker scripts; arrays, because only their addresses mean anything. */
extern uint32_t stack_limit[], stack_top[], vector_table[];

int main(void);
void reset_handler(void) __attribute__((noreturn));
void fault_handler(void);
void report_fault(const uint32_t *frame) __attribute__((noreturn, used));

/* frame: r0-r3, r12, lr, pc, xpsr as stacked by the core. After a stack overflow the frame could
   not be written and lies outside the stack: do not read it then. */
void report_fault(const uint32_t *frame) {
    sh_puts("FAULT");
    if (frame >= stack_limit && frame + 8 <= stack_top) {
        sh_puts(" pc=");
        sh_put_hex(frame[6]);
    } else {
        sh_puts(" stack_overflow");
    }
#ifndef __ARM_ARCH_6M__ /* v6-M has no fault status registers */
    sh_puts(" cfsr=");
    sh_put_hex(CFSR);
    sh_puts(" address=");
    sh_put_hex(BFAR);
#endif
    sh_puts("\n");
    sh_exit(FAULT);
}

/* Reports on a fresh stack: the old one may be what is broken. */
__attribute__((naked)) void fault_handler(void) {
    __asm volatile("mov r0, sp\n"
                   "ldr r1, =stack_top\n"
                   "mov sp, r1\n"
                   "ldr r1, =report_fault\n"
                   "bx r1\n"
                   ".ltorg\n");
}

static void unexpected_handler(void) {
    sh_puts("UNEXPECTED EXCEPTION\n");
    sh_exit(UNEXPECTED);
}

void reset_handler(void) {
    /* Behind a boot loader the core still uses that one's table. A Cortex-M0 ignores the write. */
    VTOR = (uint32_t)(uintptr_t)vector_table;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= 0xFu << 20; /* FPU and MVE on before the first such instruction */
    __asm volatile("dsb\n isb" ::: "memory");
#endif
#ifdef __ARM_ARCH_6M__
    CCR |= 1u << 3; /* UNALIGN_TRP, fixed at 1 on v6-M: makes a v7-M simulator as strict */
#else
    CCR |= 1u << 4; /* DIV_0_TRP */
#endif
    reset_memory();
    sh_exit(main());
}

typedef union {
    const void *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top},
    {.handler = reset_handler},
    {.handler = fault_handler}, /* NMI */
    {.handler = fault_handler}, /* HardFault */
    {.handler = fault_handler}, /* MemManage */
    {.handler = fault_handler}, /* BusFault */
    {.handler = fault_handler}, /* UsageFault */
    {.handler = fault_handler}, /* SecureFault */
    {.handler = unexpected_handler},
    {.handler = unexpected_handler},
    {.handler = unexpected_handler},
    {.handler = unexpected_handler}, /* SVCall */
    {.handler = unexpected_handler}, /* DebugMonitor */
    {.handler = unexpected_handler},
    {.handler = unexpected_handler}, /* PendSV */
    {.handler = unexpected_handler}, /* SysTick */
};
