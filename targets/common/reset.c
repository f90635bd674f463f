/* Memory after reset, and how much of the stack was used since. */
#include <stdint.h>

#include "platform.h"

#define STACK_PAINT 0xC5C5C5C5u

/* Symbols of the linker scripts; arrays, because only their addresses mean anything. */
extern uint32_t stack_limit[], stack_top[], data_load[], data_start[], data_end[];
extern uint32_t bss_start[], bss_end[];

int32_t platform_stack_bytes(void) {
    const uint32_t *lowest = stack_limit;
    while (lowest < stack_top && *lowest == STACK_PAINT)
        lowest++;
    return (int32_t)((uintptr_t)stack_top - (uintptr_t)lowest);
}

/* volatile: the compiler must not make calls of memset out of the loops, which would use stack that
   is being painted. */
void reset_memory(void) {
    uint32_t *sp;
#ifdef __riscv
    __asm volatile("mv %0, sp" : "=r"(sp));
#else
    __asm volatile("mov %0, sp" : "=r"(sp));
#endif
    for (uint32_t *word = stack_limit; word < sp; word++)
        *(volatile uint32_t *)word = STACK_PAINT;
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end;)
        *(volatile uint32_t *)to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *(volatile uint32_t *)to++ = 0;
}
