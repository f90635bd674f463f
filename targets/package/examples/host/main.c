/* On this computer: the self-test, then a short rollout from zeros in the model's own units. */
#include <stdio.h>

#include "model.h"
#include "model_selftest.h"

enum {
    STEPS = 8 * TQS_MODEL_BLOCK,
    ROWS = TQS_MODEL_LENGTH + STEPS,
    EXOG = TQS_MODEL_EXOG > 0 ? STEPS * TQS_MODEL_EXOG : 1
};

static tqs_model_arena arena;
static tqs_model_t model;
static int16_t rows[ROWS * TQS_MODEL_FEATURES];
static const int16_t exog[EXOG];

int main(void) {
    const int failed = tqs_model_selftest();
    (void)printf("self-test: %s\n", failed == 0 ? "passed" : "FAILED");
    if (failed != 0)
        return failed;
    tqs_model_status status = tqs_model_init(&model, &arena, &tqs_model_weights);
    if (status == TQS_MODEL_OK)
        status = tqs_model_rollout(&model, rows, TQS_MODEL_LENGTH, STEPS, exog);
    if (status != TQS_MODEL_OK)
        return (int)status;
    for (int i = TQS_MODEL_LENGTH; i < ROWS; i++) {
        for (int column = 0; column < TQS_MODEL_FEATURES; column++)
            (void)printf(" %9.5f", rows[i * TQS_MODEL_FEATURES + column] * TQS_MODEL_SCALE);
        (void)printf("\n");
    }
    return 0;
}
