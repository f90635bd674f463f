"""The instructions and code bytes of every dense kernel by shape, measured: kernel_costs.json.

A firmware without a model calls one kernel with another shape at every step, and yields the number
of the next shape, its next input; the simulator counts the steps one by one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import ToolMissing
from tqs_edge.firmware.board import Board, load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.elf import read_elf
from tqs_edge.firmware.toolchain import Toolchain, find_toolchain
from tqs_edge.kernel_table import (
    DENSE_KERNELS,
    LEAST_SHIFT,
    MEASURED_ROWS,
    MEASURED_WORDS,
    Kernel,
)
from tqs_edge.pipeline.verification import runners_for
from tqs_edge.run.runner import run
from tqs_edge.run.step_count import STEP

# Class of cores -> the board that it is measured on.
BOARDS = {
    "v6m": "arduino-zero",
    "v7m": "mps2-an385",
    "dsp": "mps2-an386",
    "mve": "mps3-an547",
    "neon": "raspberry-pi-4",
    "portable": "qemu-riscv32-virt",
}
SHIFTS = (40, LEAST_SHIFT)
SHAPES = [(shift, r, w) for shift in SHIFTS for w in MEASURED_WORDS for r in MEASURED_ROWS]

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
typedef struct { int32_t unused; } tqs_model_t;
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

enum {{ ROWS = {rows}, WORDS = {words}, GROUP = {group} }};

static const struct {{ int16_t shift, least, rows, words; }} shape[] = {{{list}}};
const int32_t tqs_model_weights = 0;
static __attribute__((aligned(16))) int{act}_t x_data[WORDS * GROUP + 16];
static __attribute__((aligned(16))) uint32_t w_data[ROWS * WORDS];
static __attribute__((aligned(8))) int{acc}_t bias[ROWS];
static int32_t multiplier[2][ROWS]; /* small, as few outputs of models saturate */
int16_t tqs_model_out[ROWS]; /* public, so that writing it is not left out */
static uint32_t seed = 1;

static uint32_t draw(void) {{
    seed = seed * 1664525u + 1013904223u;
    return seed;
}}

tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights) {{
    (void)model;
    (void)arena;
    (void)weights;
    for (int32_t i = 0; i < WORDS * GROUP; i++)
        x_data[i] = (int{act}_t)(int32_t)(draw() >> 16);
    for (int32_t i = 0; i < ROWS * WORDS; i++)
        w_data[i] = draw();
    for (int32_t i = 0; i < ROWS; i++) {{
        bias[i] = (int32_t)(draw() >> 20) - 2048;
        multiplier[0][i] = (int32_t)(draw() >> 14);
        multiplier[1][i] = (int32_t)(draw() >> 22);
    }}
    return TQS_MODEL_OK;
}}

void tqs_model_reset(tqs_model_t *model) {{
    (void)model;
}}

tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y) {{
    (void)model;
    (void)exog;
    const int32_t shift = shape[x[0]].shift, least = shape[x[0]].least;
    const int32_t rows = shape[x[0]].rows, depth = shape[x[0]].words * GROUP;
{call}    y[0] = (int16_t)(x[0] + 1);
    return TQS_MODEL_OK;
}}
"""

CALL = """\
    {symbol}(x_data, w_data, bias, multiplier[least], shift, tqs_model_out, rows, depth);
"""
NO_CALL = "    tqs_model_out[0] = (int16_t)(least + shift + rows + depth);\n"

Progress = Callable[[int, int], None]


def measure_kernels(
    isas: Sequence[str] = tuple(BOARDS),
    kernels: Sequence[Kernel] = DENSE_KERNELS,
    *,
    compiler: str = "gcc",
    progress: Progress | None = None,
) -> dict[str, dict[str, dict[str, object]]]:
    """ISA class -> symbol -> {"code_bytes": B, "instructions": [by words, then by rows]}, and
    "least_shift", the instructions at LEAST_SHIFT, where they differ.

    Data are random but for the sums that they reach, which no kernel's count depends on. Raises
    ToolMissing without the compiler or a simulator of one of the cores.
    """
    jobs = [(isa, kernel) for isa in isas for kernel in kernels]
    boards = {isa: load_board(BOARDS[isa]) for isa in isas}
    toolchains = {isa: find_toolchain(compiler, boards[isa].core) for isa in isas}
    driver = {isa: _driver_symbols(boards[isa], toolchains[isa], kernels[0]) for isa in isas}
    measured: dict[str, dict[str, dict[str, object]]] = {isa: {} for isa in isas}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        costs = threads.map(
            lambda job: _measure(boards[job[0]], job[1], toolchains[job[0]], driver[job[0]]), jobs
        )
        for done, ((isa, kernel), cost) in enumerate(zip(jobs, costs, strict=True)):
            measured[isa][kernel.symbol] = cost
            if progress:
                progress(done + 1, len(jobs))
    return measured


def _driver_symbols(board: Board, toolchain: Toolchain, kernel: Kernel) -> frozenset[str]:
    """What a firmware links that calls no kernel."""
    with tempfile.TemporaryDirectory(prefix="tqs-costs-") as name:
        empty = build(_bundle(kernel, called=False), board, toolchain, Path(name))
    return frozenset(empty.size.symbols)


def _measure(
    board: Board, kernel: Kernel, toolchain: Toolchain, driver: frozenset[str]
) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="tqs-costs-") as name:
        firmware = build(_bundle(kernel, called=True), board, toolchain, Path(name))
        around, counts = counts_of(firmware, len(SHAPES))
        code_bytes = _code_bytes(firmware, driver)
    shape = len(SHIFTS), len(MEASURED_WORDS), len(MEASURED_ROWS)
    usual, least = (np.array(counts, np.int64) - round(around)).reshape(shape).tolist()
    costs = {"code_bytes": code_bytes, "instructions": usual}
    return costs if least == usual else {**costs, "least_shift": least}


def _initializer(shape: tuple[int, int, int]) -> str:
    shift, rows, words = shape
    return f"{{{shift}, {int(shift == LEAST_SHIFT)}, {rows}, {words}}}"


def _bundle(kernel: Kernel, *, called: bool) -> SourceBundle:
    source = SOURCE.format(
        rows=max(MEASURED_ROWS),
        words=max(MEASURED_WORDS),
        group=kernel.group,
        list=", ".join(map(_initializer, SHAPES)),
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
    log = run(firmware, np.zeros((1, 1, 1), np.int16), steps, runner=runners[0], count=steps)
    around = (log.instructions_by_function or {}).get(STEP, 0.0)
    return around, log.instructions_by_call or ()


def _code_bytes(firmware: Firmware, driver: frozenset[str]) -> int:
    """Code of the kernel, without what the compiler's library adds, which most models link."""
    image = read_elf(firmware.elf)
    code = [section for section in image.sections if section.name in (".text", ".rodata")]
    return sum(
        symbol.size
        for symbol in image.symbols
        if symbol.name not in driver and not symbol.name.startswith("__aeabi")
        if any(0 <= symbol.address - c.address < len(c.content) for c in code)
    )
