"""Small hand-written models with Python twins: what firmware and runner tests build and run."""

from __future__ import annotations

import numpy as np

from tqs_edge.codegen.source_bundle import SourceBundle

HEADER = """#ifndef MODEL_H
#define MODEL_H
#include <stdint.h>
#define TQS_MODEL_LENGTH {length}
#define TQS_MODEL_FEATURES {features}
#define TQS_MODEL_BLOCK {block}
#define TQS_MODEL_EXOG {exog}
#define TQS_MODEL_INPUTS ({length} * {features})
#define TQS_MODEL_OUTPUTS ({block} * {features})
#define TQS_MODEL_ARENA_BYTES {arena}
#define TQS_MODEL_HASH "toy"
#define TQS_MODEL_RECURRENT {recurrent}
typedef enum {{ TQS_MODEL_OK = 0 }} tqs_model_status;
typedef union {{
    int64_t alignment;
    uint8_t bytes[TQS_MODEL_ARENA_BYTES > 0 ? TQS_MODEL_ARENA_BYTES : 1];
}} tqs_model_arena;
typedef struct {{
    int16_t h[{features}];
}} tqs_model_state;
typedef struct {{
    tqs_model_arena *arena;
    tqs_model_state state;
}} tqs_model_t;
extern const int16_t tqs_model_weights[{weights}];
tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights);
void tqs_model_reset(tqs_model_t *model);
tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y);
#endif
"""

STEP = """#include "model.h"
#define toy_weights tqs_model_weights
tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights) {{
    (void)weights;
    model->arena = arena;
    tqs_model_reset(model);
    return TQS_MODEL_OK;
}}
void tqs_model_reset(tqs_model_t *model) {{
    for (int32_t i = 0; i < TQS_MODEL_FEATURES; i++) model->state.h[i] = 0;
}}
tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y) {{
    tqs_model_state *const state = &model->state;
    uint8_t *const arena = model->arena->bytes;
{body}
    return TQS_MODEL_OK;
}}
"""

# The branch makes the number of instructions depend on the data.
RECURRENT_BODY = """    (void)arena;
    for (int32_t i = 0; i < TQS_MODEL_FEATURES; i++) {
        int32_t sum = x[i] + toy_weights[i] * state->h[i];
        for (int32_t j = 0; j < TQS_MODEL_EXOG; j++) sum += exog[j];
        if (sum < 0) sum = 7 - sum / 3;
        state->h[i] = (int16_t)(sum >> 3);
        y[i] = (int16_t)(state->h[i] - 900);
    }
    (void)exog;"""

WINDOWED_BODY = """    (void)exog;
    int32_t *sum = (int32_t *)(void *)arena;
    sum[0] = state->h[0];
    for (int32_t i = 0; i < TQS_MODEL_INPUTS; i++) sum[0] += x[i];
    for (int32_t i = 0; i < TQS_MODEL_OUTPUTS; i++) y[i] = (int16_t)((sum[0] >> 3) + 50 * i);
    state->h[0] = (int16_t)(toy_weights[0] + state->h[0]);"""

# Kilobytes of straight code, so that instructions lie across the ends of pages.
LONG_LINE = "    h[{0}] = (int16_t)(x[{0}] + toy_weights[{1}] * h[0] + {2});\n"
LONG_BODY = (
    "    (void)arena; (void)exog;\n    volatile int16_t *h = state->h;\n"
    + "".join(LONG_LINE.format(i % 2, i % 8, i * 7919 % 30011) for i in range(150))
    + "    y[0] = h[0];\n    y[1] = h[1];"
)

UNUSED = "    (void)state; (void)arena; (void)x; (void)exog;\n    y[0] = toy_weights[0];\n"
FAULT_BODY = UNUSED + "    *(volatile uint32_t *)0xE0200000u = 1;"
ENDLESS_BODY = UNUSED + '    for (;;) __asm volatile("nop");'
OVERFLOW_BODY = UNUSED + (
    "    volatile uint8_t big[60000];\n    for (int32_t i = 59999; i > 0; i--) big[i - 1] = big[i];"
)


def toy_bundle(
    body: str = RECURRENT_BODY,
    *,
    length: int = 1,
    features: int = 2,
    block: int = 1,
    exog: int = 0,
    recurrent: bool = True,
    arena: int = 0,
    weights: int = 8,
) -> SourceBundle:
    """A model whose step has the C text `body` and `weights` int16 weights 3, 4, 5, 6, 3, 4..."""
    values = ", ".join(str(3 + i % 4) for i in range(weights))
    dimensions = {"length": length, "features": features, "block": block, "exog": exog}
    header = HEADER.format(**dimensions, arena=arena, recurrent=int(recurrent), weights=weights)
    files = {
        "model.h": header,
        "model.c": STEP.format(body=body),
        "model_weights.c": '#include "model.h"\n'
        '__attribute__((section(".rodata.tqs_weights")))\n'
        f"const int16_t tqs_model_weights[{weights}] = {{{values}}};\n",
    }
    return SourceBundle(files, (), arena, 2 * features, 2 * weights, "toy", "", "", "")


def windowed_bundle(length: int = 5, features: int = 2, block: int = 3) -> SourceBundle:
    """A windowed model that keeps its sum in the arena and a state between calls."""
    return toy_bundle(
        WINDOWED_BODY, length=length, features=features, block=block, recurrent=False, arena=16
    )


def recurrent_twin(contexts: np.ndarray, horizon: int, exog: np.ndarray | None) -> np.ndarray:
    """Frames of RECURRENT_BODY in Python integers."""
    count, rows, features = contexts.shape
    frames = np.empty((count, horizon, features), np.int16)
    for index in range(count):
        h, y = [0] * features, [0] * features
        for t in range(rows + horizon - 1):
            x = contexts[index, t] if t < rows else y
            added = 0 if exog is None else int(exog[index, t].sum())
            for i in range(features):
                total = int(x[i]) + (3 + i % 4) * h[i] + added
                if total < 0:
                    total = 7 + -total // 3
                h[i] = total >> 3
                y[i] = h[i] - 900
            if t >= rows - 1:
                frames[index, t - rows + 1] = y
    return frames


def windowed_twin(contexts: np.ndarray, horizon: int, length: int, block: int) -> np.ndarray:
    """Frames of WINDOWED_BODY in Python integers."""
    features = contexts.shape[2]
    frames = []
    for context in contexts:
        rows = [[int(value) for value in row] for row in context]
        begin, h = len(rows), 0
        while len(rows) < begin + horizon:
            total = h + sum(sum(row) for row in rows[-length:])
            outputs = [(total >> 3) + 50 * i for i in range(block * features)]
            rows += [outputs[i : i + features] for i in range(0, len(outputs), features)]
            h += 3
        frames.append(rows[begin : begin + horizon])
    return np.array(frames, np.int16)
