/* The cycle counter of the debug unit (DWT), which v6-M does not have. Simulators that do not model
   it read a constant, so it counts only where it is seen to. */
#include "platform.h"

#ifdef __ARM_ARCH_6M__
bool platform_start_cycles(void) {
    return false;
}

uint32_t platform_cycles(void) {
    return 0;
}
#else
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define DWT_CTRL REGISTER(0xE0001000u)
#define DWT_CYCCNT REGISTER(0xE0001004u)
#define DWT_LAR REGISTER(0xE0001FB0u)
#define DEMCR REGISTER(0xE000EDFCu)

enum { TRCENA = 1 << 24, NOCYCCNT = 1 << 25, CYCCNTENA = 1, PATIENCE = 8 };

bool platform_start_cycles(void) {
    DEMCR |= TRCENA;
    DWT_LAR = 0xC5ACCE55u; /* Cortex-M7 locks the unit; elsewhere the write is ignored */
    if ((DWT_CTRL & NOCYCCNT) != 0)
        return false;
    DWT_CTRL |= CYCCNTENA;
    const uint32_t start = DWT_CYCCNT;
    for (int32_t i = 0; i < PATIENCE; i++) {
        if (DWT_CYCCNT != start)
            return true;
    }
    return false;
}

uint32_t platform_cycles(void) {
    return DWT_CYCCNT;
}
#endif
