/* What the drivers need from the machine they run on, besides semihost.h or link/console.h. */
#ifndef TQS_PLATFORM_H
#define TQS_PLATFORM_H
#include <stdbool.h>
#include <stdint.h>

/* The most bytes of stack used so far, the driver's own included; -1 where it is not measured. */
int32_t platform_stack_bytes(void);

/* For start-up code: paints the stack below the caller, fills .data and clears .bss. */
void reset_memory(void);

/* Starts the counter of processor cycles; false where the core has none or none that counts. */
bool platform_start_cycles(void);
/* Cycles since some moment, modulo 2^32; 0 where there is no counter. */
uint32_t platform_cycles(void);
#endif
