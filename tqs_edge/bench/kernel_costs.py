"""The instructions and code bytes of every dense kernel by shape, measured: kernel_costs.json.

A firmware without a model calls one kernel with another shape at every step; the simulator counts
the steps one by one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import ToolMissing
from tqs_edge.firmware.board import Board, load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import Toolchain, find_toolchain
from tqs_edge.kernel_table import DENSE_KERNELS, MEASURED_ROWS, MEASURED_WORDS, Kernel
from tqs_edge.pipeline.verification import runners_for
from tqs_edge.run.runner import run
from tqs_edge.run.step_count import STEP

# Class of cores -> the board that it is measured on.
BOARDS = {"v6m": "microbit", "v7m": "mps2-an385", "dsp": "mps2-an386", "mve": "mps3-an547"}
SHAPES = [(rows, words) for words in MEASURED_WORDS for rows in MEASURED_ROWS]

HEADER = """\
#ifndef TQS_MODEL_H
#define TQS_MODEL_H
#include <stdint.h>
#define TQS_MODEL_LENGTH 1
#define TQS_MODEL_FEATURES 1
#define TQS_MODEL_BLOCK 1
#define TQS_MODEL_EXOG 0
#define TQS_MODEL_INPUTS 1
#define TQS_MODEL_OUTPUTS 1
#define TQS_MODEL_RECURRENT 1
#define TQS_MODEL_HASH ""
typedef enum { TQS_MODEL_OK = 0 } tqs_model_status;
typedef struct { int32_t call; } tqs_model_t;
typedef struct { int32_t unused; } tqs_model_arena;
extern const int32_t tqs_model_weights;
tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights);
void tqs_model_reset(tqs_model_t *model);
tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y);
#endif
"""

SOURCE = """\
#include "model.h"

#include "tqs_kernels.h"

enum {{ ROWS = {rows}, WORDS = {words}, GROUP = {group}, SHAPES = {shapes}, SHIFT = 40 }};

static const struct {{ int16_t rows, words; }} shape[SHAPES] = {{{list}}};
const int32_t tqs_model_weights = 0;
static __attribute__((aligned(16))) int{act}_t x_data[WORDS * GROUP + 16];
static __attribute__((aligned(16))) uint32_t w_data[ROWS * WORDS];
static __attribute__((aligned(8))) int{acc}_t bias[ROWS];
static int32_t multiplier[ROWS];
static int16_t out[ROWS];
static uint32_t seed = 1;

static uint32_t draw(void) {{
    seed = seed * 1664525u + 1013904223u;
    return seed;
}}

tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights) {{
    (void)arena;
    (void)weights;
    model->call = 0;
    for (int32_t i = 0; i < WORDS * GROUP; i++)
        x_data[i] = (int{act}_t)(int32_t)(draw() >> 16);
    for (int32_t i = 0; i < ROWS * WORDS; i++)
        w_data[i] = draw();
    for (int32_t i = 0; i < ROWS; i++) {{
        bias[i] = (int32_t)(draw() >> 20) - 2048;
        multiplier[i] = (int32_t)(draw() >> 4);
    }}
    return TQS_MODEL_OK;
}}

void tqs_model_reset(tqs_model_t *model) {{
    model->call = 0;
}}

tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y) {{
    (void)x;
    (void)exog;
    const int32_t rows = shape[model->call].rows, depth = shape[model->call].words * GROUP;
    model->call++;
{call}    y[0] = out[0];
    return TQS_MODEL_OK;
}}
"""

CALL = "    {symbol}(x_data, w_data, bias, multiplier, SHIFT, out, rows, depth);\n"
NO_CALL = "    out[0] = (int16_t)(rows + depth);\n"

Progress = Callable[[int, int], None]


def measure_kernels(
    isas: Sequence[str] = tuple(BOARDS),
    kernels: Sequence[Kernel] = DENSE_KERNELS,
    *,
    compiler: str = "gcc",
    progress: Progress | None = None,
) -> dict[str, dict[str, dict[str, object]]]:
    """ISA class -> symbol -> {"code_bytes": B, "instructions": [by words, then by rows]}.

    Data are random but for the sums that they reach, which no kernel's count depends on. Raises
    ToolMissing without the compiler or a simulator of one of the cores.
    """
    toolchain = find_toolchain(compiler)
    measured: dict[str, dict[str, dict[str, object]]] = {isa: {} for isa in isas}
    jobs = [(isa, kernel) for isa in isas for kernel in kernels]
    for done, (isa, kernel) in enumerate(jobs):
        measured[isa][kernel.symbol] = _measure(load_board(BOARDS[isa]), kernel, toolchain)
        if progress:
            progress(done + 1, len(jobs))
    return measured


def _measure(board: Board, kernel: Kernel, toolchain: Toolchain) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="tqs-costs-") as name:
        called = build(_bundle(kernel, called=True), board, toolchain, Path(name) / "called")
        empty = build(_bundle(kernel, called=False), board, toolchain, Path(name) / "empty")
        around, counts = counts_of(called, len(SHAPES))
    shape = len(MEASURED_WORDS), len(MEASURED_ROWS)
    return {
        "code_bytes": _code_bytes(called) - _code_bytes(empty),
        "instructions": (np.array(counts, np.int64) - round(around)).reshape(shape).tolist(),
    }


def _bundle(kernel: Kernel, *, called: bool) -> SourceBundle:
    source = SOURCE.format(
        rows=max(MEASURED_ROWS),
        words=max(MEASURED_WORDS),
        group=kernel.group,
        shapes=len(SHAPES),
        list=", ".join(f"{{{rows}, {words}}}" for rows, words in SHAPES),
        act=kernel.act_bits,
        acc=kernel.acc_bits,
        call=CALL.format(symbol=kernel.symbol) if called else NO_CALL,
    )
    return SourceBundle(
        files={"model.h": HEADER, "model.c": source},
        kernels=(f"{kernel.symbol}.c",),
        arena_bytes=0,
        state_bytes=0,
        weight_bytes=0,
        model_hash="",
        program_id="",
        image="",
        image_v6m="",
    )


def counts_of(firmware: Firmware, steps: int) -> tuple[float, tuple[int, ...]]:
    """(instructions of a step around the kernel, those of each of the first `steps` steps)."""
    runners = runners_for(firmware.board)
    if not runners:
        raise ToolMissing(f"no simulator of '{firmware.board.name}'; see `tqs-edge doctor`")
    log = run(firmware, np.zeros((1, 1, 1), np.int16), steps, runner=runners[0])
    around = (log.instructions_by_function or {}).get(STEP, 0.0)
    return around, log.instructions_by_call or ()


def _code_bytes(firmware: Firmware) -> int:
    """Code without what the compiler's library adds, which most models link anyway."""
    library = sum(n for name, n in firmware.size.symbols.items() if name.startswith("__aeabi"))
    return firmware.size.code_bytes - library


def write_costs(path: Path, **options: Any) -> None:
    """Writes what `measure_kernels` with `options` returns, one kernel per line."""
    measured = measure_kernels(**options)
    classes = []
    for isa, kernels in measured.items():
        lines = [f"  {json.dumps(symbol)}: {json.dumps(c)}" for symbol, c in kernels.items()]
        classes.append(f" {json.dumps(isa)}: {{\n" + ",\n".join(lines) + "\n }")
    path.write_text("{\n" + ",\n".join(classes) + "\n}\n", encoding="utf-8", newline="\n")
