/* What a shared library of a model tells a program that has not read model.h. */
#include <stdint.h>

#include "model.h"

int32_t tqs_host_state_bytes(void);
int32_t tqs_host_arena_bytes(void);

int32_t tqs_host_state_bytes(void) {
    return (int32_t)sizeof(tqs_model_state);
}

int32_t tqs_host_arena_bytes(void) {
    return TQS_MODEL_ARENA_BYTES;
}
