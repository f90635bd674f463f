/* What the rollout driver needs from the machine it runs on, besides semihost.h. */
#ifndef TQS_PLATFORM_H
#define TQS_PLATFORM_H
#include <stdint.h>

/* The most bytes of stack used so far, the driver's own included; -1 where it is not measured. */
int32_t platform_stack_bytes(void);
#endif
