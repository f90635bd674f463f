"""100,000 steps of emitted C: no limit cycle, no drift, dead bands where theory puts them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.codegen.c_package import STRICT, run, write_package
from tests.diagonal_models import POLES, decays
from tests.passes.small_models import mixed_plan
from tqs_edge.codegen.emit import emit
from tqs_edge.frontend.graph_module import graph_module
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.lower import lower
from tqs_edge.resources import resource_dir
from tqs_edge.verify.reference import quantize_frames, run_step

STEPS, CHECKED = 100_000, 300
DRIVER = """\
#include "model.h"
void roll(const int16_t *e, int32_t calls, int32_t *h);
void roll(const int16_t *e, int32_t calls, int32_t *h) {
    static tqs_model_t model;
    static tqs_model_arena arena;
    int16_t x[TQS_MODEL_INPUTS] = {0}, y[TQS_MODEL_OUTPUTS];
    if (tqs_model_init(&model, &arena, &tqs_model_weights) != TQS_MODEL_OK)
        return;
    for (int32_t call = 0; call < calls; ++call) {
        (void)tqs_model_step(&model, x, e + call * TQS_MODEL_EXOG, y);
        int32_t *row = h + call * TQS_MODEL_EXOG;
        for (int32_t i = 0; i < TQS_MODEL_EXOG; ++i) row[i] = model.state.h[i];
    }
}
"""


@dataclass(frozen=True, eq=False)
class Rollout:
    """Forced for half of the steps, then left alone: integer and float64 states in LSBs of a
    16-bit state, (STEPS, poles)."""

    integer: np.ndarray
    exact: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        return np.abs(self.integer - self.exact)


def rollout(state_bits: int, folder: Path) -> Rollout:
    model, count = decays(), len(POLES)
    t = np.arange(STEPS)[:, None]
    values = np.sin(t / (500.0 * (1 + np.arange(count)))) + 0.5 * (t // 7000 % 2)
    values[STEPS // 2 :] = 0.0
    # Every pole has a gain of 1 at most: nothing exceeds the input.
    names = ("x", "e", "h", "kept", "given", "h_next", "y")
    ranges = dict.fromkeys(names, float(np.abs(values).max()))
    program = build_program(model.graph, mixed_plan(model.graph, 16, state_bits, (16,)), ranges)
    e = quantize_frames(values, program.tensors["e"])
    lsb16 = program.tensors["h"].scale * 2.0 ** (state_bits - 16)
    states = rolled(program, e, folder)
    pole, gain = (model.graph.constants[name][0].astype(np.float64) for name in ("pole", "gain"))
    h, exact = np.zeros(count), np.empty((STEPS, count))
    for call, row in enumerate(e * program.tensors["e"].scale):
        exact[call] = h = pole * h + gain * row
    return Rollout(states * 2.0 ** (16 - state_bits), exact / lsb16)


def rolled(program: IntegerProgram, e: np.ndarray, folder: Path) -> np.ndarray:
    """The states (STEPS, width) of the C package, the first of them checked by the reference."""
    model = decays()
    bundle = emit(lower(graph_module(model.graph), program), program, model, "0123abcd")
    (folder / "roll.c").write_text(DRIVER)
    sources = [*map(str, write_package(bundle, folder)), str(folder / "roll.c")]
    include = ["-I", str(folder), "-I", str(resource_dir("kernels"))]
    library = str(folder / "roll.so")
    run(["cc", "-O2", *STRICT, "-shared", "-fPIC", *include, *sources, "-o", library])
    states = np.empty((len(e), e.shape[1]), np.int32)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (e, states)]
    ctypes.CDLL(library).roll(pointers[0], len(e), pointers[1])
    h = np.zeros((1, *program.tensors["h"].shape), np.int64)
    for row, got in zip(e[:CHECKED].astype(np.int64), states, strict=False):
        values = {"x": np.zeros_like(h), "e": row[None, None], "h": h}
        h = run_step(program, values, dict.fromkeys(program.tensors, 0))["h_next"]
        np.testing.assert_array_equal(h[0, 0], got)
    return states


def test_32_bit_states_follow_float64_and_come_to_rest(tmp_path: Path) -> None:
    found = rollout(32, tmp_path)
    assert found.errors.max() < 1.0
    assert found.errors[-1].max() < 0.1, "a limit cycle is left long after the input ended"
    faster = found.integer[-1000:, :-1]  # the slowest pole is still on its way
    assert (np.abs(faster) < 0.1).all() and (faster == faster[-1]).all()


def test_16_bit_states_hang_in_dead_bands_of_the_predicted_size(tmp_path: Path) -> None:
    found = rollout(16, tmp_path)
    # The product rounds once and the sum once more: up to 1 LSB per step, not 1/2.
    limits = 1.0 / (1.0 - np.array(POLES))
    assert (found.errors.max(axis=0) <= limits).all()
    assert found.errors[:, -1].max() > 100.0
    rest = found.integer[-1000:]
    assert (rest == rest[-1]).all() and abs(rest[-1, -1]) > 100.0
