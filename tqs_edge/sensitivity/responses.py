"""How the rollout answers to every single weight and bias, to first order, by forward passes.

One disturbed rollout for each number of the model: its column of the Jacobian. Errors of a whole
rollout have many entries but few directions, so columns are kept as sketches: every entry is added,
with a random sign, to one of a few buckets (a count sketch), which keeps inner products on average.
All in float64, so that what is decided from responses does not hang on the last bits of a
machine's arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.backends.graph_backend import GraphBackend
from tqs_edge.backends.protocol import WeightChange
from tqs_edge.graph.evaluate import Tap

if TYPE_CHECKING:
    import torch

RELATIVE_STEP = 2.0**-14  # of the tensor's largest weight; in float64 both errors are then small
BATCH_BYTES = 1 << 23  # step tensors of one batch; larger ones fall out of the caches
SKETCH = 512


@dataclass(frozen=True)
class Parameter:
    """A weight (rows, depth) or a bias (rows,) by path."""

    path: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Numbers in it."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class Sketch:
    """A linear map from rollout errors to `width` numbers, the same for all errors.

    bucket: int64 and sign: float64, (entries,)
    """

    bucket: np.ndarray
    sign: np.ndarray
    width: int

    def __call__(self, errors: np.ndarray) -> np.ndarray:
        """Sketches (V, width) of errors (V, entries): their mean square is about the errors'."""
        entries = errors.shape[1]
        out = np.empty((len(errors), self.width))
        for row, error in zip(out, errors, strict=True):
            row[:] = np.bincount(self.bucket, error * self.sign, self.width)
        scaled: np.ndarray = out * np.sqrt(self.width / entries)
        return scaled


def make_sketch(entries: int, width: int = SKETCH, seed: int = 0) -> Sketch:
    """A count sketch; the identity where `entries` fit as they are."""
    if entries <= width:
        return Sketch(np.arange(entries), np.ones(entries), entries)
    rng = np.random.default_rng(seed)
    bucket = rng.permutation(np.arange(entries) % width)
    return Sketch(bucket, rng.choice([-1.0, 1.0], entries), width)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """What rollouts are compared on: contexts (N, rows, F), exog (N, calls, E) or None, the clean
    frames (N, T, F) and the spread of each feature, std (F,)."""

    contexts: torch.Tensor
    exog: torch.Tensor | None
    frames: torch.Tensor
    std: torch.Tensor

    @property
    def horizon(self) -> int:
        """T, frames of each rollout."""
        return self.frames.shape[1]


def parameters_of(backend: GraphBackend) -> tuple[Parameter, ...]:
    """All dense weights in execution order, then all their biases."""
    graph = backend.model.graph
    biases = dict.fromkeys(node.bias for node in graph.dense_nodes() if node.bias)
    paths = [*backend.weights, *biases]
    return tuple(Parameter(path, graph.constants[path].shape) for path in paths)


def parameter_responses(
    backend: GraphBackend,
    point: Mapping[str, np.ndarray],
    on: Trajectories,
    sketch: Sketch,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Sketched change of the standardised error (parameters, width) float64 for each unit of each
    number in `parameters_of(backend)`, at the weights and biases `point` (float64, by path).

    Zero where the disturbed rollout is not finite.
    """
    import torch

    constants = dict(backend.constants)
    constants.update({path: torch.from_numpy(value) for path, value in point.items()})
    at = replace(backend, constants=constants)
    base = _errors(at, on, 1, (), None)[0]
    parameters = parameters_of(backend)
    total = sum(parameter.size for parameter in parameters)
    most = _batch_variants(backend, on)
    columns: list[np.ndarray] = []
    done = 0
    for parameter in parameters:
        step = RELATIVE_STEP * (float(np.abs(point[parameter.path]).max()) or 1.0)
        for changes, tap, count in _batches(at, parameter, step, most):
            errors = _errors(at, on, count, changes, tap)
            with np.errstate(invalid="ignore", over="ignore"):
                column = sketch((errors - base) / step)
            column[~np.isfinite(column).all(axis=1)] = 0.0
            columns.append(column)
            done += count
            if progress:
                progress(done, total)
    return np.concatenate(columns)


def _batches(
    backend: GraphBackend, parameter: Parameter, step: float, most: int
) -> Iterator[tuple[Sequence[WeightChange], Tap | None, int]]:
    """The disturbances of every number of a parameter, in order, at most `most` at once."""
    if len(parameter.shape) == 1:
        for first in range(0, parameter.size, most):
            count = min(most, parameter.size - first)
            yield (), _bias_tap(backend, parameter.path, first, count, step), count
        return
    rows, depth = parameter.shape
    together = max(1, most // depth)
    for first in range(0, rows, together):
        last = min(rows, first + together)
        changes = [
            WeightChange(parameter.path, row, (row - first) * depth, _one_hot(depth, step))
            for row in range(first, last)
        ]
        yield changes, None, (last - first) * depth


def _one_hot(depth: int, step: float) -> torch.Tensor:
    import torch

    return step * torch.eye(depth, dtype=torch.float64)[:, None, :]


def _bias_tap(backend: GraphBackend, path: str, first: int, count: int, step: float) -> Tap:
    """Adds `step` to one column each of the dense outputs that have this bias."""
    import torch

    outputs = {node.name for node in backend.model.graph.dense_nodes() if node.bias == path}
    variant = torch.arange(count)

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        if name in outputs:
            value = value.clone()
            value[variant, ..., variant + first] += step
        return value

    return tap


def _errors(
    backend: GraphBackend,
    on: Trajectories,
    variants: int,
    changes: Sequence[WeightChange],
    tap: Tap | None,
) -> np.ndarray:
    """Standardised errors (variants, N * T * F) against the clean frames."""
    frames = backend.rollout(
        on.contexts.expand(variants, *on.contexts.shape),
        on.horizon,
        exog=None if on.exog is None else on.exog.expand(variants, *on.exog.shape),
        changes=changes,
        tap=tap,
    )
    return np.asarray(((frames - on.frames) / on.std).reshape(variants, -1).double())


def _batch_variants(backend: GraphBackend, on: Trajectories) -> int:
    per_context = sum(prod(shape) for shape in backend.tensors.values())
    per_context += prod(on.frames.shape[1:])
    return max(1, BATCH_BYTES // (8 * len(on.contexts) * per_context))
