"""Fitting the integers of a plan to the rollout, instead of rounding every weight to the nearest.

Widths stay as planned, so the bytes do too. What is chosen is which way each weight is rounded, the
scale of each row and each bias, so that their errors make up for each other over the whole rollout.
No labels and no training: the model's own rollouts from some context windows, forward passes only.
Candidates are found by algebra on the first-order responses (sensitivity/responses.py), and judged
by real rollouts from other windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from tqs_edge.backends.graph_backend import GraphBackend, graph_backend
from tqs_edge.errors import InputError
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.compensated_rounding import compensated_rounding, least_squares_step
from tqs_edge.plan.number_grid import NumberGrid, nearest_grid
from tqs_edge.plan.plan_rollouts import PlanRollouts, plan_rollouts, trajectories_of
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.responses import (
    Sketch,
    make_sketch,
    parameter_responses,
    parameters_of,
)

Progress = Callable[[int, int], None]

FITTED_BY_DEFAULT = 8192  # numbers; each takes a rollout, so time grows with their square
FIRST_DAMPINGS = (1e-3, 1e-2, 1e-1, 1.0)  # of the mean response of a weight
NEXT_DAMPINGS = (0.1, 1.0, 10.0)  # times the best one so far
CORRECTIONS = 4  # steps on one set of responses
LEAST_GAIN = 0.03  # relative improvement worth another step
LINEARISATIONS = 2  # sets of responses: at the float model, then at the best integers
POLISHED = 3  # plans that corrections go on with
POLISHED_IF_LARGE = 2
LARGE = 2048  # numbers
WORTH_ANOTHER = 1e-4  # damage above which new responses may find more


class Rounding(StrEnum):
    """How weights become integers of the planned widths."""

    AUTO = "auto"  # fitted where the model has at most FITTED_BY_DEFAULT weights and biases
    FITTED = "fitted"  # by what the rollout makes of all of them together
    NEAREST = "nearest"  # each to its nearest integer


def parse_rounding(name: str) -> Rounding:
    """The rounding called `name`; InputError lists the known ones."""
    try:
        return Rounding(name)
    except ValueError:
        raise InputError(f"no rounding '{name}'; use one of {', '.join(Rounding)}") from None


@dataclass(frozen=True, eq=False)
class Fit:
    """A plan with fitted integers, or as it was where none were better.

    before, after: damage (mean squared standardised rollout error) with nearest rounding and with
    the fitted integers, on the windows that chose among candidates and no responses came from
    """

    plan: BitPlan
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class FloatResponses:
    """Responses (numbers, width) of the float model, the same for all plans, and their sketch."""

    matrix: np.ndarray
    sketch: Sketch


def float_responses(
    model: RolloutModel,
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> FloatResponses:
    """What `fit_rounding` begins with; pays where several plans of one model are fitted.

    contexts (N, rows, F), exog (N, calls, E) or None: as they will be given to `fit_rounding`.
    """
    backend = graph_backend(model)
    clean = clean_rollouts(model, contexts[::2], horizon, _every_other(exog, 0), double=True)
    sketch = make_sketch(clean.frames.numel(), seed=seed)
    point = {
        parameter.path: model.graph.constants[parameter.path].astype(np.float64)
        for parameter in parameters_of(backend)
    }
    matrix = parameter_responses(backend, point, trajectories_of(clean), sketch, progress)
    return FloatResponses(matrix, sketch)


@dataclass(frozen=True, eq=False)
class _Position:
    """A plan, integers for it, and the damage they do on the windows that decide."""

    plan: BitPlan
    grid: NumberGrid
    before: float
    damage: float
    damping: float


def fit_rounding(
    model: RolloutModel,
    plans: Sequence[BitPlan],
    ranges: Mapping[str, float],
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None = None,
    *,
    seed: int = 0,
    responses: FloatResponses | None = None,
    progress: Progress | None = None,
) -> tuple[Fit, ...]:
    """Integers, scales and biases for each of `plans` that lower its rollout error, best first.

    contexts (N, rows, F), exog (N, calls, E) or None: every other one gives responses, the rest
    decide. All plans are rounded from the float model, the best few of them then corrected by
    what rollouts show. responses: of the float model from these contexts, where they are known. No
    plan gets worse than with nearest rounding on the windows that decide.
    """
    known = responses or float_responses(
        model, contexts, horizon, exog, seed=seed, progress=progress
    )
    clean = clean_rollouts(model, contexts[::2], horizon, _every_other(exog, 0), double=True)
    rest = contexts[1::2] if len(contexts) > 1 else contexts
    decides = clean_rollouts(model, rest, horizon, _every_other(exog, 1), double=True)
    backend = graph_backend(model)
    found = []
    for plan in plans:
        hold = plan_rollouts(model, plan, ranges, decides)
        start = nearest_grid(model.graph, plan, backend)
        before = float(hold.damage([start])[0])
        here = _Position(plan, start, before, before, FIRST_DAMPINGS[1])
        found.append(_round_float_model(here, known.matrix, hold))
    found.sort(key=lambda position: position.damage)
    polished = POLISHED_IF_LARGE if len(known.matrix) > LARGE else POLISHED
    for number, here in enumerate(found[:polished]):
        fit = plan_rollouts(model, here.plan, ranges, clean)
        hold = plan_rollouts(model, here.plan, ranges, decides)
        found[number] = _polish(here, known, backend, fit, hold, progress)
    found.sort(key=lambda position: position.damage)
    return tuple(
        Fit(f.grid.planned(f.plan) if f.damage < f.before else f.plan, f.before, f.damage)
        for f in found
    )


def _polish(
    here: _Position,
    known: FloatResponses,
    backend: GraphBackend,
    fit: PlanRollouts,
    hold: PlanRollouts,
    progress: Progress | None,
) -> _Position:
    """Corrections on the float model's responses, then on those at the integers reached."""
    here = _correct(here, known.matrix, known.sketch, fit, hold)
    for _ in range(LINEARISATIONS - 1):
        if here.damage < WORTH_ANOTHER:
            break
        entered, on = here.damage, trajectories_of(fit.clean)
        matrix = parameter_responses(backend, here.grid.values(), on, known.sketch, progress)
        here = _correct(here, matrix, known.sketch, fit, hold)
        if not here.damage < (1.0 - LEAST_GAIN) * entered:
            break
    return here


def _round_float_model(here: _Position, responses: np.ndarray, hold: PlanRollouts) -> _Position:
    """The best of roundings of the float model with errors made up for, at several dampings."""
    start = here.grid
    scaled = start.scaled(responses)
    weight = _mean_square(scaled, start)
    found = []
    for damping in FIRST_DAMPINGS:
        z = compensated_rounding(scaled, start.target, start.low, start.high, damping * weight)
        found.append((start.moved(z), damping))
    return _best(here, found, hold)


def _correct(
    here: _Position, responses: np.ndarray, sketch: Sketch, fit: PlanRollouts, hold: PlanRollouts
) -> _Position:
    """Steps against the error that rollouts really show, each rounded with compensation."""
    for _ in range(CORRECTIONS):
        grid = here.grid
        error = sketch(fit.errors([grid]))[0]
        if not np.isfinite(error).all():
            break
        scaled = grid.with_scales(responses)
        weight = _mean_square(scaled, grid)
        found = []
        for factor in NEXT_DAMPINGS:
            damping = here.damping * factor
            step = least_squares_step(scaled, error, damping * weight)
            target, low, high = grid.step_target(step)
            z = compensated_rounding(scaled, target, low, high, damping * weight)
            found.append((grid.moved(z), damping))
        better = _best(here, found, hold)
        gained = better.damage < (1.0 - LEAST_GAIN) * here.damage
        here = better
        if not gained:
            break
    return here


def _best(here: _Position, found: list[tuple[NumberGrid, float]], hold: PlanRollouts) -> _Position:
    damages = hold.damage([grid for grid, _ in found])
    least = int(damages.argmin())
    if not damages[least] < here.damage:
        return here
    grid, damping = found[least]
    return replace(here, grid=grid, damage=float(damages[least]), damping=damping)


def _mean_square(scaled: np.ndarray, grid: NumberGrid) -> float:
    """Mean squared response to one step of the grid of a weight; dampings are relative to it."""
    weights = scaled[: grid.weight_count]
    return float((weights**2).mean()) or 1.0


def _every_other(exog: np.ndarray | None, first: int) -> np.ndarray | None:
    if exog is None:
        return None
    return exog[first::2] if len(exog) > 1 else exog
