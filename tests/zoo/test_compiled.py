"""Every model of the zoo from PyTorch to a simulated core: the reference's frames, bit for bit.

One core and compiler per model, in turn: over the whole zoo every core meets both compilers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CPackage
from tests.passes.small_models import mixed_plan
from tqs_edge.codegen.join_loops import emitted_calls
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.passes.assign_storage import assign_storage
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower_program
from tqs_edge.passes.plan_memory import check_overlap
from tqs_edge.passes.quantize_sites import integer_module
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.prepare import prepare
from tqs_edge.pipeline.verification import CORE_BOARDS
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import quantize_inputs, run_reference
from tqs_edge.zoo import MODELS

NAMES = list(MODELS)
CONTEXTS, HORIZON, WINDOWED_HORIZON = 2, 6, 3
WIDTHS = (8, 2, 16, 4)  # a block of rows of each in every weight
MARKS = {"gcc": pytest.mark.arm, "zig": pytest.mark.zig}
PAIRS = list(product(CORE_BOARDS, ("gcc", "zig")))


@dataclass(frozen=True, eq=False)
class Compiled:
    """A model under its plan, integer rollout inputs, and the frames that all must give."""

    lowered: Lowered
    contexts: np.ndarray
    exog: np.ndarray | None
    horizon: int
    frames: np.ndarray


@functools.cache
def compiled(name: str) -> Compiled:
    """Activations of 8 bits in every second model, of 16 in the others; states of 16."""
    horizon = WINDOWED_HORIZON if MODELS[name].form == "windowed" else HORIZON
    prepared = prepare(f"zoo:{name}", horizon=horizon)
    model, trials = prepared.model, prepared.judging
    act_bits = 8 if NAMES.index(name) % 2 else 16
    lowered = lower_plan(prepared, mixed_plan(model.graph, act_bits, 16, WIDTHS))
    exog = None if trials.exog is None else trials.exog[:CONTEXTS]
    contexts, exog = quantize_inputs(lowered.program, trials.contexts[:CONTEXTS], exog)
    frames = run_reference(lowered.program, model, contexts, horizon, exog=exog).frames
    return Compiled(lowered, contexts, exog, horizon, frames)


def pair_of(index: int) -> tuple[str, str]:
    """(board, compiler) of the model at `index`."""
    return PAIRS[index % len(PAIRS)]


def on_core(index: int, name: str) -> object:
    """The parameters (name, board, compiler, runner) with the marks of the tools they need."""
    board, compiler = pair_of(index)
    runner = "unicorn" if load_board(board).core.unicorn else "qemu"
    marks = [MARKS[compiler], getattr(pytest.mark, runner)]
    return pytest.param(name, board, compiler, runner, marks=marks, id=f"{name}-{board}-{compiler}")


def test_zoo_meets_every_core_with_both_compilers() -> None:
    assert {pair_of(index) for index in range(len(NAMES))} == set(PAIRS)


@pytest.mark.parametrize("name", NAMES)
def test_llvm_and_host_c_give_the_frames_of_the_reference(name: str, tmp_path: Path) -> None:
    c = compiled(name)
    program, model = c.lowered.program, c.lowered.model
    assert c.frames.std() > 0
    frames = run_llvm(
        integer_module(program), program, model, c.contexts, horizon=c.horizon, exog=c.exog
    )
    np.testing.assert_array_equal(frames, c.frames)
    package = CPackage(c.lowered.bundle, model, tmp_path)
    for i, context in enumerate(c.contexts):
        frames = package.rollout(context, c.horizon, None if c.exog is None else c.exog[i])
        np.testing.assert_array_equal(frames, c.frames[i])


@pytest.mark.parametrize("name", NAMES)
def test_the_arena_is_at_most_5_percent_above_the_largest_live_set(name: str) -> None:
    program = compiled(name).lowered.program
    memory = assign_storage(emitted_calls(lower_program(program), program)).memory
    assert memory.arena_bytes == compiled(name).lowered.bundle.arena_bytes
    assert check_overlap(memory) == []
    live = [
        sum(-(-b.size // 8) * 8 for b in memory.buffers if b.first_use <= call <= b.last_use)
        for call in range(max((b.last_use for b in memory.buffers), default=0) + 1)
    ]
    assert max(live) <= memory.arena_bytes <= 1.05 * max(live)


@pytest.mark.parametrize(
    ("name", "board", "compiler", "runner"), [on_core(i, name) for i, name in enumerate(NAMES)]
)
def test_simulated_core_gives_the_frames_of_the_reference(
    name: str, board: str, compiler: str, runner: str, tmp_path: Path
) -> None:
    c = compiled(name)
    firmware = build(c.lowered.bundle, load_board(board), find_toolchain(compiler), tmp_path)
    log = run(
        firmware,
        c.contexts[:1],
        c.horizon,
        exog=None if c.exog is None else c.exog[:1],
        runner=runner,
        count=0,
    )
    np.testing.assert_array_equal(log.frames, c.frames[:1])
