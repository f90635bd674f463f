/* The model in an endless loop: what it forecasts is what it reads next. For every example. */
#ifndef TQS_MODEL_BLINK_H
#define TQS_MODEL_BLINK_H

#include "model.h"

enum {
    BLINK_ROWS = TQS_MODEL_LENGTH + TQS_MODEL_BLOCK,
    BLINK_KEPT = TQS_MODEL_LENGTH * TQS_MODEL_FEATURES,
    BLINK_NEW = TQS_MODEL_BLOCK * TQS_MODEL_FEATURES
};

static tqs_model_t blink_model;
static tqs_model_arena blink_arena;
static int16_t blink_rows[BLINK_ROWS * TQS_MODEL_FEATURES];
static int16_t blink_exog[TQS_MODEL_EXOG > 0 ? TQS_MODEL_EXOG : 1];

/* Takes the weights and a small push to start from. Stop at anything but TQS_MODEL_OK. */
static inline tqs_model_status blink_begin(void) {
    for (int32_t i = 0; i < TQS_MODEL_FEATURES; i++)
        blink_rows[BLINK_KEPT - 1 - i] = 4000;
    return tqs_model_init(&blink_model, &blink_arena, &tqs_model_weights);
}

/* K steps; returns 1 while the newest value of the first column is above zero. */
static inline int blink_next(void) {
    (void)tqs_model_rollout(&blink_model, blink_rows, TQS_MODEL_LENGTH, TQS_MODEL_BLOCK,
                            blink_exog);
    for (int32_t i = 0; i < BLINK_KEPT; i++)
        blink_rows[i] = blink_rows[i + BLINK_NEW];
    return blink_rows[BLINK_KEPT - TQS_MODEL_FEATURES] > 0;
}

#endif
