"""Random models keep their values: imported, in integers, streamed and as C.

The bound on the integers' error is the model's own: what a rounding and an LSB of noise on every
tensor, at the 16 bits that the integers have, make of its rollout.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.random_steps import random_step
from tqs_edge.codegen.emit import emit
from tqs_edge.errors import OverflowUnproven, UnsupportedOp
from tqs_edge.frontend.load import load_model
from tqs_edge.frontend.streaming import streaming
from tqs_edge.graph.ranges import RANGE_HEADROOM, observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.lower import lower_program
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.run.host import HostModel, load_host_model
from tqs_edge.verify.reference import dequantize_frames, quantize_inputs, run_reference

# Of torch, about copies that it makes for some convolutions.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

HORIZON, CONTEXTS = 8, 4
NOISES = 3  # rollouts under noise, of which the one that errs most counts
MARGIN, FLOOR = 8.0, 2e-3  # the noise is one draw of many; tables and powers err by a few LSBs
SIXTEEN_BITS = 32767


@dataclass(frozen=True, eq=False)
class Rolled:
    """A model in integers with its float rollout and the error that noise makes of it."""

    program: IntegerProgram
    contexts: np.ndarray
    frames: np.ndarray
    error: float
    noise: float


def rolled(model: RolloutModel, rows: int) -> Rolled | None:
    """The rollout of a model from random contexts; None where the float one is not finite."""
    contexts = np.random.default_rng(0).standard_normal((CONTEXTS, rows, model.features))
    contexts = contexts.astype(np.float32)
    start = torch.from_numpy(contexts)
    with torch.no_grad():
        want = rollout(model, start, HORIZON).numpy()
        if not np.isfinite(want).all():
            return None
        ranges = observe_ranges(model, contexts, HORIZON)
        noisy = [
            rollout(model, start, HORIZON, tap=noise(ranges, seed)).numpy()
            for seed in range(NOISES)
        ]
    spread = np.maximum(want.std(axis=(0, 1)), 1e-2)

    def error(frames: np.ndarray) -> float:
        return float(np.sqrt((((frames - want) / spread) ** 2).mean()))

    program = build_program(model.graph, uniform_plan(model.graph, "a16w16"), ranges)
    integers, _ = quantize_inputs(program, contexts, None)
    frames = run_reference(program, model, integers, HORIZON).frames
    got = dequantize_frames(frames, program)
    return Rolled(program, integers, frames, error(got), max(map(error, noisy)))


def noise(ranges: dict[str, float], seed: int):
    """Every tensor rounded to 16 bits of its range, after up to half an LSB to either side."""
    generator = torch.Generator().manual_seed(seed)

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        lsb = RANGE_HEADROOM * ranges[name] / SIXTEEN_BITS
        if not lsb:
            return value
        moved = value / lsb + torch.rand(value.shape, generator=generator) - 0.5
        return moved.round() * lsb

    return tap


def host_frames(host: HostModel, model: RolloutModel, contexts: np.ndarray) -> np.ndarray:
    """Frames (HORIZON, F) of one rollout of the compiled model from int16 rows (rows, F)."""
    length, rows = model.length, len(contexts)
    fed = 1 if model.form is RolloutForm.WINDOWED else -(-rows // length)
    padding = np.zeros((max(fed * length - rows, 0), model.features), np.int16)
    given_rows = np.concatenate([padding, contexts])[-fed * length :]
    host.reset()
    frames: list[np.ndarray] = []
    for call in range(fed - 1 - (-HORIZON // model.block)):
        if call < fed:
            x = given_rows[call * length : (call + 1) * length]
        else:
            x = np.concatenate([x, frames[-1]])[-length:]
        y = np.empty((model.block, model.features), np.int16)
        host.step(np.ascontiguousarray(x), np.zeros(0, np.int16), y)
        frames += [y] if call >= fed - 1 else []
    return np.concatenate(frames)[:HORIZON]


def check(rng: random.Random, operations: int, *, as_c: bool) -> None:
    """One random model, the whole way."""
    made = random_step(rng, operations)
    try:
        loaded = load_model(made.module, example_inputs=made.inputs)
    except UnsupportedOp:
        return
    streamed = streaming(loaded)
    rows = max(loaded.model.context_length, loaded.model.length)
    for model in [loaded.model] + [streamed.model] * (streamed is not loaded):
        try:
            run = rolled(model, rows)
        except OverflowUnproven:
            continue
        if run is None:
            continue
        assert run.error <= MARGIN * run.noise + FLOOR, (run.error, run.noise, made.text)
        if as_c:
            lowered = lower_program(run.program)
            host = load_host_model(emit(lowered, run.program, model, "0123abcd"))
            np.testing.assert_array_equal(
                host_frames(host, model, run.contexts[0]), run.frames[0], str(made.text)
            )


RELAXED = dict(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@settings(max_examples=8, derandomize=True, **RELAXED)
@given(st.randoms(use_true_random=False))
def test_random_models_keep_their_values(rng: random.Random) -> None:
    check(rng, 6, as_c=False)


@pytest.mark.slow
@settings(max_examples=60, derandomize=True, **RELAXED)
@given(st.integers(0, 1 << 30))
def test_larger_random_models_keep_their_values(seed: int) -> None:
    check(random.Random(seed), 10, as_c=seed % 4 == 0)
