"""Lyapunov exponents of the closed loop: how fast neighbouring rollouts part, in every direction.

The step map takes what one step hands to the next, the fed-back window and the states, as one
vector z. Tangent vectors are finite differences of that map in float64, so only forward passes are
needed; after every step they are orthonormalised by a QR decomposition, and the logarithms of the
diagonal of R, averaged over time, are the exponents (Benettin et al., Meccanica 15, 1980).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.time_loop import context_calls

if TYPE_CHECKING:
    import torch

MOST_NUMBERS = 64  # of z, up to which all exponents are computed
DIFFERENCE = 2.0**-24  # relative size of a disturbance: errors of its slope are about as large
UNRESOLVED = -14.0  # per call: below that, slopes are lost in the error of the differences
PARTS = 4  # of the time, whose scatter is the error where there is one context only


@dataclass(frozen=True)
class LyapunovSpectrum:
    """Exponents for each step of the rollout (frame), natural logarithm, greatest first.

    exponents: all of them, or the greatest alone (`complete` is false); None marks a direction
    that a step forgets at once, beyond what differences resolve
    error: standard error of the greatest, over contexts (with one context: over parts of the time)
    numbers: the size of z; steps: those averaged over; contexts: rollouts averaged over
    """

    exponents: tuple[float | None, ...]
    error: float
    numbers: int
    steps: int
    contexts: int
    complete: bool

    @property
    def largest(self) -> float | None:
        """The greatest exponent per step."""
        return self.exponents[0]


def loop_numbers(model: RolloutModel) -> int:
    """How many numbers one step hands to the next: fed-back rows and states."""
    return model.length * model.features + sum(prod(s.shape) for s in model.graph.states)


def free_calls(model: RolloutModel, context_rows: int, exog: np.ndarray | None) -> int | None:
    """Calls that a free run after the context can make; None without exogenous inputs: any."""
    if exog is None:
        return None
    return int(exog.shape[1]) - _first_call(model, context_rows)


def lyapunov_spectrum(
    model: RolloutModel,
    contexts: np.ndarray,
    calls: int,
    exog: np.ndarray | None = None,
    *,
    settle: int | None = None,
    most_numbers: int = MOST_NUMBERS,
    seed: int = 0,
) -> LyapunovSpectrum:
    """The exponents along free-running rollouts of `calls` steps from contexts (N, rows, F).

    exog: (N, calls, E) as for a rollout; the exponents are then those of the driven loop. settle:
    first calls that only turn the vectors into place, a quarter by default. Above `most_numbers`
    numbers in the loop only the greatest exponent is computed, from one vector. A windowed model
    of block K makes K frames in a call, over which its growth is shared out. Raises InputError
    where there is nothing to average, NonFiniteRollout when a run overflows.
    """
    import torch

    settle = calls // 4 if settle is None else settle
    if calls - settle < 1:
        raise InputError(f"{calls} steps with {settle} to settle leave none to measure growth over")
    numbers = loop_numbers(model)
    complete = numbers <= most_numbers
    advance = _step_map(model, contexts.shape[1], exog)
    with torch.no_grad():
        z = _after_context(model, contexts, exog)
        logs = _growth(advance, z, numbers if complete else 1, calls, seed)[settle:]
    by_context = logs.mean(axis=0) / model.block  # (N, directions)
    samples = by_context
    if len(samples) == 1:  # one rollout: its own parts
        parts = np.array_split(logs[:, 0] / model.block, min(PARTS, len(logs)))
        samples = np.stack([part.mean(axis=0) for part in parts])
    exponents = by_context.mean(axis=0)
    order = np.argsort(-exponents, kind="stable")
    scatter = samples[:, order[0]].std(ddof=1) if len(samples) > 1 else 0.0
    return LyapunovSpectrum(
        exponents=tuple(
            None if e * model.block < UNRESOLVED else float(e) for e in exponents[order]
        ),
        error=float(scatter / np.sqrt(len(samples))),
        numbers=numbers,
        steps=len(logs) * model.block,
        contexts=len(contexts),
        complete=complete,
    )


StepMap = Callable[[int, "torch.Tensor"], "torch.Tensor"]  # (call, z (V, N, n)) -> z' (V, N, n)


def _growth(
    advance: StepMap, z: torch.Tensor, directions: int, calls: int, seed: int
) -> np.ndarray:
    """ln of the growth of each direction at each call, (calls, N, directions), from z (N, n)."""
    import torch

    count, numbers = z.shape
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(numbers, directions, generator=generator, dtype=z.dtype)
    vectors = torch.linalg.qr(start).Q.expand(count, numbers, directions)
    least = z.square().mean(dim=-1).sqrt()
    least[least == 0.0] = 1.0
    logs = np.empty((calls, count, directions))
    for call in range(calls):
        # A loop that grows or comes to rest keeps its slopes clear of rounding.
        size = DIFFERENCE * torch.maximum(z.square().mean(dim=-1).sqrt(), least)[:, None]
        moved = z + size * vectors.permute(2, 0, 1)
        ahead = advance(call, torch.cat([z[None], moved]))
        z = ahead[0]
        if not torch.isfinite(ahead).all():
            raise NonFiniteRollout(
                f"the free run reaches NaN or infinity after {call} steps, so it has no Lyapunov "
                "exponents; shorten --horizon or give other contexts"
            )
        slopes = ((ahead[1:] - z) / size).permute(1, 2, 0)
        vectors, upper = torch.linalg.qr(slopes)
        diagonal = upper.diagonal(dim1=-2, dim2=-1).abs()
        logs[call] = torch.log(diagonal.clamp_min(torch.finfo(z.dtype).tiny)).numpy()
    return logs


def _first_call(model: RolloutModel, context_rows: int) -> int:
    """Number of the call that the free run begins with."""
    return 0 if model.form is RolloutForm.WINDOWED else context_calls(model, context_rows)


def _double(model: RolloutModel) -> Callable[[str], torch.Tensor]:
    import torch

    constants = {
        path: torch.from_numpy(np.asarray(value, np.float64))
        for path, value in model.graph.constants.items()
    }
    return constants.__getitem__


def _after_context(
    model: RolloutModel, contexts: np.ndarray, exog: np.ndarray | None
) -> torch.Tensor:
    """z (N, n) in float64 when the model first runs on its own output."""
    import torch

    graph, start = model.graph, torch.as_tensor(contexts, dtype=torch.float64)
    if model.form is RolloutForm.WINDOWED:
        parts = [start[:, -model.length :]]
        parts += [start.new_zeros(len(start), *s.shape) for s in graph.states]
    else:
        last: dict[str, torch.Tensor] = {}
        known = None if exog is None else torch.as_tensor(exog, dtype=torch.float64)
        rollout(
            model,
            start,
            1,
            exog=known,
            weight=_double(model),
            on_step=lambda _, tensors: last.update(tensors),
        )
        parts = [last[graph.output], *(last[s.update] for s in graph.states)]
    return torch.cat([part.reshape(len(start), -1) for part in parts], dim=-1)


def _step_map(model: RolloutModel, context_rows: int, exog: np.ndarray | None) -> StepMap:
    """The closed loop as one map of z."""
    import torch

    graph, weight, first = model.graph, _double(model), _first_call(model, context_rows)
    drive = None if exog is None else torch.as_tensor(exog, dtype=torch.float64)
    sizes = [model.length * model.features, *(prod(s.shape) for s in graph.states)]

    def advance(call: int, z: torch.Tensor) -> torch.Tensor:
        batch = z.shape[:-1]
        window, *carried = torch.split(z, sizes, dim=-1)
        values = {graph.input: window.reshape(*batch, *graph.shapes[graph.input])}
        for state, value in zip(graph.states, carried, strict=True):
            values[state.name] = value.reshape(*batch, *state.shape)
        if graph.exog is not None:
            assert drive is not None
            row = drive[:, first + call].expand(*batch, model.exog)
            values[graph.exog] = row.reshape(*batch, *graph.shapes[graph.exog])
        tensors = step(graph, values, weight=weight)
        output = tensors[graph.output].reshape(*batch, -1)
        parts = [torch.cat([window, output], dim=-1)[..., -sizes[0] :]]
        parts += [tensors[s.update].reshape(*batch, -1) for s in graph.states]
        return torch.cat(parts, dim=-1)

    return advance
