"""The self-test of a package: one rollout with known frames, whole and interrupted."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np

HEADER = """\
/* Frames of this model that are known, computed again. Not part of the library: build it where you
   want to check a compiler or a board. */
#ifndef TQS_MODEL_SELFTEST_H
#define TQS_MODEL_SELFTEST_H

#ifdef __cplusplus
extern "C" {
#endif

/* 0: every frame is the known one; 1: the weights were refused; 2: frames differ; 3: frames differ
   after the rollout was saved and restored half way; 4: a damaged snapshot was accepted. */
int tqs_model_selftest(void);

#ifdef __cplusplus
}
#endif

#endif
"""

SOURCE = """\
/* Golden frames of the integer reference, and the check that this build computes them. */
#include "model_selftest.h"

#include "model.h"

enum {{
    CONTEXT_ROWS = {rows},
    HORIZON = {horizon},
    HALF = HORIZON / 2,
    ROWS = CONTEXT_ROWS + HORIZON,
    HALF_CALLS = {half_calls}
}};

static const int16_t context[CONTEXT_ROWS * TQS_MODEL_FEATURES] = {{
{context}
}};

static const int16_t golden[HORIZON * TQS_MODEL_FEATURES] = {{
{frames}
}};

static const int16_t exog[] = {{
{exog}
}};

static tqs_model_arena arena;
static tqs_model_t model;
static int16_t rows[ROWS * TQS_MODEL_FEATURES];
static uint8_t snapshot[TQS_MODEL_SNAPSHOT_BYTES];

static int begin(void) {{
    for (int i = 0; i < CONTEXT_ROWS * TQS_MODEL_FEATURES; i++)
        rows[i] = context[i];
    return tqs_model_init(&model, &arena, &tqs_model_weights) == TQS_MODEL_OK;
}}

static int frames_differ(void) {{
    int differ = 0;
    for (int i = 0; i < HORIZON * TQS_MODEL_FEATURES; i++)
        differ |= rows[CONTEXT_ROWS * TQS_MODEL_FEATURES + i] != golden[i];
    return differ;
}}

/* The second half of the rollout, from rows that are there already and a state that was saved. */
static int go_on(void) {{
    const int32_t begin_row = CONTEXT_ROWS + HALF - TQS_MODEL_LENGTH;
    if (tqs_model_restore(&model, snapshot) != TQS_MODEL_OK)
        return 0;
    return tqs_model_rollout(&model, rows + begin_row * TQS_MODEL_FEATURES, TQS_MODEL_LENGTH, HALF,
                             exog + HALF_CALLS * TQS_MODEL_EXOG) == TQS_MODEL_OK;
}}

int tqs_model_selftest(void) {{
    if (!begin())
        return 1;
    if (tqs_model_rollout(&model, rows, CONTEXT_ROWS, HORIZON, exog) != TQS_MODEL_OK ||
        frames_differ())
        return 2;
    if (!begin() || tqs_model_rollout(&model, rows, CONTEXT_ROWS, HALF, exog) != TQS_MODEL_OK ||
        tqs_model_save(&model, snapshot) != TQS_MODEL_OK)
        return 3;
    if (tqs_model_init(&model, &arena, &tqs_model_weights) != TQS_MODEL_OK || !go_on() ||
        frames_differ())
        return 3;
    snapshot[TQS_MODEL_SNAPSHOT_BYTES - 1] ^= 1u;
    return tqs_model_restore(&model, snapshot) == TQS_MODEL_CORRUPT ? 0 : 4;
}}
"""


@dataclass(frozen=True, eq=False)
class GoldenRollout:
    """A rollout in integers: context int16 (rows, F), frames int16 (horizon, F), exog int16
    (calls, E). half_calls: calls of the rollout's first half; horizon is two halves of whole
    calls."""

    context: np.ndarray
    frames: np.ndarray
    exog: np.ndarray
    half_calls: int


def selftest_files(golden: GoldenRollout) -> dict[str, str]:
    """model_selftest.h and model_selftest.c, under the names of tqs_model."""
    exog = golden.exog.reshape(-1)
    source = SOURCE.format(
        rows=len(golden.context),
        horizon=len(golden.frames),
        half_calls=golden.half_calls,
        context=_numbers(golden.context),
        frames=_numbers(golden.frames),
        exog=_numbers(exog if exog.size else np.zeros(1, np.int16)),
    )
    return {"model_selftest.h": HEADER, "model_selftest.c": source}


def _numbers(values: np.ndarray) -> str:
    text = ", ".join(map(str, values.reshape(-1).tolist()))
    return textwrap.fill(text, 99, initial_indent="    ", subsequent_indent="    ") + ","
