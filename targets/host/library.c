/* What a program that has not read model.h needs to use a shared library of a model. */
#include <stdint.h>

#include "model.h"

int32_t tqs_host_model_bytes(void);
int32_t tqs_host_arena_bytes(void);
int32_t tqs_host_init(tqs_model_t *model, tqs_model_arena *arena);

int32_t tqs_host_model_bytes(void) {
    return (int32_t)sizeof(tqs_model_t);
}

int32_t tqs_host_arena_bytes(void) {
    return (int32_t)sizeof(tqs_model_arena);
}

int32_t tqs_host_init(tqs_model_t *model, tqs_model_arena *arena) {
    return (int32_t)tqs_model_init(model, arena, &tqs_model_weights);
}
