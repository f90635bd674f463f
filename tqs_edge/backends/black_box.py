"""Rollouts of a step of which nothing is known but its inputs, its outputs and its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from tqs_edge.backends.graph_backend import check_inputs
from tqs_edge.backends.protocol import WeightChange
from tqs_edge.errors import InputError
from tqs_edge.frontend.form import FormSizes, infer_form
from tqs_edge.frontend.signature import StepSignature
from tqs_edge.graph.evaluate import Tap
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.graph.time_loop import run_free

Tensors = tuple[torch.Tensor, ...]
BatchedStep = Callable[[Tensors], Tensors]
PlainStep = Callable[[Tensors], Tensors]  # without leading dimensions
CHECK_SEED = 0
TOLERANCE = 1e-5  # relative to the largest value, at least 1: what batching may change by rounding


class StepRunner(Protocol):
    """What executes the step: the only part in which black boxes differ."""

    def bind(self, weights: Mapping[str, torch.Tensor], variants: int) -> BatchedStep:
        """The step for `variants` variants, float32, with the given weights replaced.

        weights: (variants, rows, depth) by path. The step takes (x, exog, *states), each
        (variants, N, *shape), and returns (y, *states) likewise.
        """
        ...


@dataclass(frozen=True, eq=False)
class BlackBox:
    """A `StepBackend` around a runner; its taps see the input, exog and the states.

    name: "torch", "onnxruntime" or "tvm"; label: what the user called the model
    weights: every replaceable matrix (rows, depth), float32, by path
    """

    name: str
    label: str
    signature: StepSignature
    sizes: FormSizes
    weights: Mapping[str, np.ndarray]
    runner: StepRunner

    @property
    def form(self) -> RolloutForm:
        return self.sizes.form

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    @property
    def features(self) -> int:
        return self.sizes.features

    @property
    def constants(self) -> Mapping[str, np.ndarray]:
        """The weights: of a black box, nothing else is known to be constant."""
        return self.weights

    @property
    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        return {name: self.signature.shapes[name] for name in self.signature.placeholders}

    @property
    def states(self) -> tuple[str, ...]:
        return self.signature.states

    def rollout(
        self,
        contexts: torch.Tensor,
        horizon: int,
        *,
        exog: torch.Tensor | None = None,
        changes: Sequence[WeightChange] = (),
        tap: Tap | None = None,
    ) -> torch.Tensor:
        """Frames (V, N, horizon, F); see `StepBackend.rollout`. The step computes in float32.

        Raises InputError for shapes that do not suit the model.
        """
        check_inputs(self.sizes, contexts.shape, horizon, None if exog is None else exog.shape)
        batch = contexts.shape[:2]
        names, shapes = self.signature.placeholders, self.tensors
        step = self.runner.bind(_replaced(self.weights, changes, batch[0]), batch[0])

        def call(
            _number: int, x: torch.Tensor, known: torch.Tensor | None, state: Tensors
        ) -> tuple[torch.Tensor, Tensors]:
            given = (x, *(() if known is None else (known,)), *state)
            values = [v.reshape(*batch, *shapes[n]) for n, v in zip(names, given, strict=True)]
            if tap is not None:
                values = [tap(n, v) for n, v in zip(names, values, strict=True)]
            output, *after = step(tuple(values))
            return output, tuple(after)

        start = contexts.to(torch.float32)
        state = tuple(start.new_zeros(*batch, *shapes[name]) for name in self.states)
        known = None if exog is None else exog.to(torch.float32)
        with torch.no_grad():
            frames = run_free(self.sizes, call, state, start, horizon, known)
        return frames.to(contexts.dtype)


def black_box(
    name: str,
    label: str,
    signature: StepSignature,
    form: RolloutForm | None,
    weights: Mapping[str, np.ndarray],
    runner: StepRunner,
) -> BlackBox:
    """A checked black box: `signature` fits a rollout form and the step is a function.

    Raises InputError for a signature of no form, for a model without weights, and for a step that
    answers the same inputs differently when asked again.
    """
    sizes = infer_form(signature, form)
    if not weights:
        raise InputError(f"'{label}' has no weight matrix to disturb, so there is nothing to score")
    box = BlackBox(name, label, signature, sizes, weights, runner)
    inputs = random_inputs(signature)
    answers = zip(runner.bind({}, 1)(inputs), runner.bind({}, 1)(inputs), strict=True)
    if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in answers):
        raise InputError(
            f"'{label}' answers the same inputs differently when asked again; it must draw no "
            "random numbers, and must return its state instead of keeping it"
        )
    return box


def random_inputs(signature: StepSignature, *batch: int) -> Tensors:
    """Normal (x, exog, *states), each (*batch, *shape), batch (1, 1) if none; always the same."""
    generator = torch.Generator().manual_seed(CHECK_SEED)
    return tuple(
        torch.randn(*(batch or (1, 1)), *signature.shapes[name], generator=generator)
        for name in signature.placeholders
    )


def same_values(got: Tensors, want: Tensors) -> bool:
    """Whether shapes and values agree but for rounding; NaN agrees with NaN."""
    return len(got) == len(want) and all(
        g.shape == w.shape
        and torch.allclose(
            g,
            w,
            rtol=0.0,
            atol=TOLERANCE * max(1.0, float(w.nan_to_num().abs().max())),
            equal_nan=True,
        )
        for g, w in zip(got, want, strict=True)
    )


def one_by_one(steps: Sequence[PlainStep]) -> BatchedStep:
    """A batched step that runs every rollout by itself.

    steps: one for each variant, or a single one for all.
    """

    def run(tensors: Tensors) -> Tensors:
        variants, count = tensors[0].shape[:2]
        outputs = [
            steps[v if len(steps) > 1 else 0](tuple(t[v, n] for t in tensors))
            for v in range(variants)
            for n in range(count)
        ]
        return tuple(
            torch.stack(same).reshape(variants, count, *same[0].shape)
            for same in zip(*outputs, strict=True)
        )

    return run


def _replaced(
    weights: Mapping[str, np.ndarray], changes: Sequence[WeightChange], variants: int
) -> dict[str, torch.Tensor]:
    """The changed weights (variants, rows, depth) by path."""
    replaced: dict[str, torch.Tensor] = {}
    for change in changes:
        if change.path not in replaced:
            clean = torch.from_numpy(weights[change.path])
            replaced[change.path] = clean.expand(variants, *clean.shape).clone()
        count, rows, _ = change.delta.shape
        part = replaced[change.path][change.first : change.first + count]
        part[:, change.begin : change.begin + rows] += change.delta.to(torch.float32)
    return replaced
