"""The windows that start rollouts: from files, or from the model's own free run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.frontend.series_file import read_series
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.time_loop import RolloutSizes, calls_of, context_calls

if TYPE_CHECKING:
    import torch

Run = Callable[["torch.Tensor", int], "torch.Tensor"]  # contexts, horizon -> frames
DEFAULT_ROWS = 32  # context rows of a one-row model: enough for its state to forget the zeros
DEFAULT_COUNT = 64
BURN_IN = 128
START_SCALE = 0.1  # small against standardised inputs
SETTLED = 1e-3  # spread below which a standardised free run no longer says anything


@dataclass(frozen=True)
class Contexts:
    """Starts of rollouts, standardised as the model was trained.

    values: float32 [N, L, F], rows of zeros first where the model needs more than are known. exog:
    float32 [N, calls, E], row t belongs to call t, or None.
    origin: where they came from, for reports.
    """

    values: np.ndarray
    exog: np.ndarray | None
    origin: str


def read_contexts(
    model: RolloutSizes,
    path: Path,
    *,
    horizon: int,
    exog_path: Path | None = None,
    rows: int | None = None,
    count: int = DEFAULT_COUNT,
) -> Contexts:
    """The contexts in a .npy or .csv file.

    The file holds [contexts, L, F], used as it is, or one series [rows, F], cut into at most
    `count` disjoint windows of `rows` rows (default: the model's window, or 32). The exog file has
    the same form, a row for every moment from the first context row on; a series of it is cut at
    the same rows, and must go on until the last call of each rollout. InputError names file, cause
    and fix.
    """
    if model.exog and exog_path is None:
        raise InputError(f"the model has {model.exog} exogenous inputs; add --exog FILE")
    if exog_path is not None and not model.exog:
        raise InputError(f"the model has no exogenous inputs; drop --exog {exog_path}")
    values = read_series(path, model.features)
    columns = model.exog // model.exog_rows
    exog = None if exog_path is None else read_series(exog_path, columns)
    if values.ndim == 2:
        return _cut_series(model, path, values, exog, rows, count, horizon)
    _check_length(path, values.shape[1], model.least_context)
    if exog is not None:
        want = (len(values), known_rows(model, values.shape[1], horizon), columns)
        if exog.ndim != 3 or exog.shape[0] != want[0] or exog.shape[1] < want[1]:
            raise InputError(
                f"'{exog_path}' has shape {list(exog.shape)}, want {list(want)} for a horizon of "
                f"{horizon}: {_rows_known(model)}"
            )
        exog = exog_of_calls(model, exog, values.shape[1], horizon)
    values = zeros_first(values, model.context_length - values.shape[1])
    return Contexts(values, exog, f"{len(values)} contexts of '{path.name}'")


def free_running_contexts(
    model: RolloutModel,
    *,
    rows: int | None = None,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
) -> Contexts:
    """Windows of the model's own rollouts; see `free_windows`."""
    return free_windows(model, partial(rollout, model), rows=rows, count=count, seed=seed)


def free_windows(
    model: RolloutSizes,
    run: Run,
    *,
    rows: int | None = None,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
) -> Contexts:
    """Windows of the rollouts that `run` makes, from small random starts after a burn-in.

    Where the free run settles at a fixed point, the windows are unit random starts instead, so
    that rollouts show how the model gets there. Raises InputError for models with exogenous inputs
    and NonFiniteRollout when a run diverges.
    """
    import torch

    if model.exog:
        raise InputError("the model has exogenous inputs; give --context FILE and --exog FILE")
    length = rows or _default_rows(model)
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(count, length, model.features, generator=generator)
    with torch.no_grad():
        frames = run(START_SCALE * start, BURN_IN + length).numpy()
    if not np.isfinite(frames).all():
        step = int(np.argmin(np.isfinite(frames).all(axis=(0, 2))))
        raise NonFiniteRollout(
            f"the free-running model reaches NaN or infinity at step {step}; give real windows "
            "with --context FILE"
        )
    if frames[:, BURN_IN:].std(axis=(0, 1)).min() < SETTLED:
        origin = (
            f"{count} random starts (scale 1, seed {seed}) of {length} rows, since the model's "
            "own free run settles at a fixed point"
        )
        return Contexts(start.numpy(), None, origin)
    origin = (
        f"{count} free-running contexts: rollouts of the model itself from random starts "
        f"(scale {START_SCALE}, seed {seed}), {length} rows after {BURN_IN} steps"
    )
    return Contexts(np.ascontiguousarray(frames[:, BURN_IN:], np.float32), None, origin)


def split_contexts(contexts: Contexts) -> tuple[Contexts, Contexts]:
    """(planning, judging): the first and the second half, which share no context.

    InputError when there is only one context.
    """
    half = len(contexts.values) // 2
    if half == 0:
        raise InputError(
            f"{contexts.origin}: at least 2 contexts are needed, one to plan on and one to judge on"
        )
    return _part(contexts, slice(0, half), "planning"), _part(
        contexts, slice(half, None), "judging"
    )


def known_rows(model: RolloutSizes, context_rows: int, horizon: int) -> int:
    """How many moments, the first context row's and on, a rollout knows the exogenous inputs of."""
    free = -(-horizon // model.block) - 1  # calls after the context
    return context_rows + free * model.block + model.exog_lead


def exog_of_calls(
    model: RolloutSizes, exog: np.ndarray, context_rows: int, horizon: int
) -> np.ndarray:
    """What each call takes, (N, calls, E), of rows (N, `known_rows` or more, columns), the first of
    which is of the moment of the first context row. Rows of zeros stand for moments before it,
    which move no frame."""
    rows = max(context_rows, model.context_length)
    calls, fed = calls_of(model, rows, horizon), context_calls(model, rows)
    last = context_rows + model.exog_lead  # behind the newest row of the call that ends the context
    ends = [last + (call + 1 - fed) * model.block for call in range(calls)]
    unknown = max(model.exog_rows - ends[0], 0)
    known = zeros_first(exog, unknown)
    ends = [end + unknown for end in ends]
    taken = np.stack([known[:, end - model.exog_rows : end] for end in ends], axis=1)
    return taken.reshape(len(exog), calls, model.exog)


def zeros_first(values: np.ndarray, count: int) -> np.ndarray:
    """(N, rows, columns) with `count` rows of zeros before them, if above 0."""
    missing = np.zeros((len(values), max(count, 0), values.shape[2]), values.dtype)
    return np.concatenate([missing, values], axis=1)


def _rows_known(model: RolloutSizes) -> str:
    if model.exog_lead:
        return "a row for every row of the context and of the forecast"
    return "one row per call"


def _part(contexts: Contexts, part: slice, name: str) -> Contexts:
    exog = None if contexts.exog is None else contexts.exog[part]
    values = contexts.values[part]
    return replace(contexts, values=values, exog=exog, origin=f"{contexts.origin} ({name} half)")


def _default_rows(model: RolloutSizes) -> int:
    if model.form is RolloutForm.WINDOWED:
        return model.length
    return max(DEFAULT_ROWS, model.context_length)


def _cut_series(
    model: RolloutSizes,
    path: Path,
    series: np.ndarray,
    exog: np.ndarray | None,
    rows: int | None,
    count: int,
    horizon: int,
) -> Contexts:
    """Disjoint windows, evenly spaced over the series."""
    length = rows or _default_rows(model)
    if length < model.context_length:
        raise InputError(
            f"contexts of {length} rows asked for, want {model.context_length} or more"
        )
    _check_length(path, len(series), length)
    last = len(series) - length
    if exog is not None:
        known = known_rows(model, length, horizon)
        if exog.ndim != 2 or len(exog) < known:
            raise InputError(
                f"the exog file has shape {list(exog.shape)}, want [{known} or more, "
                f"{model.exog // model.exog_rows}] for {length} context rows and a horizon of "
                f"{horizon}: {_rows_known(model)}"
            )
        last = min(last, len(exog) - known)
    number = min(count, last // length + 1)
    starts = [0] if number == 1 else [last * i // (number - 1) for i in range(number)]
    values = np.stack([series[s : s + length] for s in starts])
    cut = None
    if exog is not None:
        cut = np.stack([exog[s : s + known] for s in starts])
        cut = exog_of_calls(model, cut, length, horizon)
    return Contexts(values, cut, f"{number} windows of {length} rows cut from '{path.name}'")


def _check_length(path: Path, got: int, want: int) -> None:
    if got < want:
        raise InputError(f"'{path}' is too short: {got} rows, want {want} or more per context")
