"""Rollouts of float steps whose weights, activations and states are rounded as planned.

A choice of widths is a row of integers over the sites: the index of the width in `WIDTHS`, or
FLOAT for a site left alone. Elementwise tensors stay float here: at their fixed 16 bits they are
the same in every plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.graph.evaluate import Tap
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.quant.scheme import (
    fake_quantize_rows,
    grid_for_span,
    integer_limits,
    scale_for_range,
)
from tqs_edge.sensitivity.batch import CleanRollouts, divergence
from tqs_edge.sensitivity.sites import WEIGHT_WIDTHS, Site, SiteKind

if TYPE_CHECKING:
    import torch

Span = tuple[float, float]  # least and largest value
SPANNED_BITS = 8  # the width at which a span gives a zero point
WIDTHS = WEIGHT_WIDTHS
FLOAT = -1
SAMPLES = 4096  # error samples kept of a rollout, to compare the effects of changes


@dataclass(frozen=True, eq=False)
class QuantizedWeights:
    """Every weight at every width: path -> (len(WIDTHS) + 1, rows, depth), the last one float."""

    banks: Mapping[str, torch.Tensor]
    ranges: Mapping[str, float]
    sites: tuple[Site, ...]


def quantized_weights(
    clean: CleanRollouts, sites: tuple[Site, ...], ranges: Mapping[str, float]
) -> QuantizedWeights:
    """The weights of all sites at all widths; `ranges` are largest magnitudes by tensor."""
    import torch

    banks: dict[str, torch.Tensor] = {}
    for path in dict.fromkeys(s.tensor for s in sites if s.kind is SiteKind.WEIGHT):
        weight = clean.constants[path].numpy()
        rounded = [fake_quantize_rows(weight, bits) for bits in WIDTHS]
        banks[path] = torch.from_numpy(np.stack([*rounded, weight])).to(clean.frames.dtype)
    return QuantizedWeights(banks, ranges, sites)


def site_scale(ranges: Mapping[str, float], tensor: str, bits: int) -> float:
    """The scale of an activation or state of `bits` bits, headroom included."""
    return scale_for_range(ranges[tensor] * RANGE_HEADROOM, bits)


@dataclass(frozen=True, eq=False)
class RolloutErrors:
    """damage (variants,): mean squared standardised rollout error, infinite where not finite.

    samples (variants, M): errors at evenly spaced entries of the rollouts, scaled so that their
    squares sum to about the damage; meaningless where the damage is infinite.
    """

    damage: np.ndarray
    samples: np.ndarray


def rollout_damage(
    clean: CleanRollouts, quantized: QuantizedWeights, choices: np.ndarray
) -> np.ndarray:
    """The damage (variants,) of choices (variants, sites)."""
    return rollout_errors(clean, quantized, choices, most_samples=0).damage


def rollout_errors(
    clean: CleanRollouts,
    quantized: QuantizedWeights,
    choices: np.ndarray,
    *,
    most_samples: int = SAMPLES,
) -> RolloutErrors:
    """Damage and error samples of choices (variants, sites), in batches of bounded memory."""
    size = clean.batch_variants
    damages: list[np.ndarray] = [np.zeros(0)]
    samples: list[np.ndarray] = []
    for first in range(0, len(choices), size):
        error = _batch_errors(clean, quantized, choices[first : first + size])
        with np.errstate(invalid="ignore", over="ignore"):
            damages.append((error.astype(np.float64) ** 2).mean(axis=1))
        kept = np.linspace(0, error.shape[1] - 1, min(most_samples, error.shape[1])).astype(int)
        samples.append(error[:, kept] / np.float32(np.sqrt(max(1, len(kept)))))
    damage = np.concatenate(damages)
    return RolloutErrors(
        np.where(np.isfinite(damage), damage, np.inf),
        np.concatenate(samples) if samples else np.zeros((0, 0), np.float32),
    )


def _batch_errors(
    clean: CleanRollouts, quantized: QuantizedWeights, choices: np.ndarray
) -> np.ndarray:
    """Standardised errors (variants, N * T * F) float32."""
    weights = {
        path: _chosen_rows(bank, quantized.sites, path, choices)
        for path, bank in quantized.banks.items()
    }
    tap = rounding_tap(clean, quantized.sites, quantized.ranges, choices)
    error = divergence(clean, len(choices), weights, tap)
    return np.asarray(error.reshape(len(choices), -1).float())


def _chosen_rows(
    bank: torch.Tensor, sites: Sequence[Site], path: str, choices: np.ndarray
) -> torch.Tensor:
    """(variants, rows, depth), or (rows, depth) when all variants agree."""
    import torch

    rows = bank.shape[1]
    index = np.empty((len(choices), rows), np.int64)
    for column, site in enumerate(sites):
        if site.kind is SiteKind.WEIGHT and site.tensor == path:
            index[:, site.begin : site.end] = choices[:, column, None]
    index[index == FLOAT] = len(WIDTHS)
    if (index == index[0]).all():
        index = index[:1]
    chosen = bank[torch.from_numpy(index), torch.arange(rows)]
    return chosen[0] if len(index) == 1 else chosen


def rounding_tap(
    clean: CleanRollouts,
    sites: Sequence[Site],
    ranges: Mapping[str, float],
    choices: np.ndarray,
    feedback: Collection[str] = (),
    spans: Mapping[str, Span] = MappingProxyType({}),
) -> Tap | None:
    """Rounds activations (as dense nodes read them) and states, each variant at its own width.

    choices (variants, sites); None when none of them rounds anything. feedback: activations whose
    rounding errors are added to what is rounded at the next step; the tap is for one rollout then.
    spans: least and largest value of activations that have a zero point at 8 bits.
    """
    import torch

    grids: dict[str, _Grid] = {}
    rests: dict[str, torch.Tensor | float] = {clean.views[name]: 0.0 for name in feedback}
    for column, site in enumerate(sites):
        chosen = choices[:, column]
        if site.kind is SiteKind.WEIGHT or (chosen == FLOAT).all():
            continue
        name = clean.views[site.tensor] if site.kind is SiteKind.ACTIVATION else site.tensor
        rank = 1 + len(clean.model.graph.shapes[name])
        span = spans.get(site.tensor) if site.kind is SiteKind.ACTIVATION else None
        grids[name] = _grid(chosen, ranges[site.tensor], span, rank, clean.frames.dtype)
    if not grids:
        return None

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        if name not in grids:
            return value
        grid = grids[name]
        if name in rests:
            value = value + rests[name]
        rounded = (value / grid.scale).add_(0.5).floor_().clamp_(grid.low, grid.high)
        rounded.mul_(grid.scale)
        if name in rests:  # never more than rounding leaves: what saturates is lost
            rests[name] = (value - rounded).clamp(-0.5 * grid.scale, 0.5 * grid.scale)
        return rounded if grid.rounds is None else torch.where(grid.rounds, rounded, value)

    return tap


@dataclass(frozen=True, eq=False)
class _Grid:
    """Scale, least and largest multiple of it, and whether to round, each (variants, 1, ...).

    rounds is None where all do; tensors of one number where all variants are alike.
    """

    scale: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    rounds: torch.Tensor | None


def _grid(
    chosen: np.ndarray, largest: float, span: Span | None, rank: int, dtype: torch.dtype
) -> _Grid:
    import torch

    if (chosen == chosen[0]).all():
        chosen = chosen[:1]

    columns = []
    for choice in chosen.tolist():
        bits = WIDTHS[choice] if choice != FLOAT else WIDTHS[-1]
        columns.append(_numbers(largest, span if bits == SPANNED_BITS else None, bits))
    shape = (len(chosen), *[1] * rank)
    scale, low, high = (
        torch.tensor(c, dtype=dtype).reshape(shape) for c in zip(*columns, strict=True)
    )
    rounds = torch.from_numpy(chosen != FLOAT).reshape(shape)
    return _Grid(scale, low, high, None if bool(rounds.all()) else rounds)


def _numbers(largest: float, span: Span | None, bits: int) -> tuple[float, int, int]:
    """(scale, least, largest multiple of it), headroom included."""
    low, high = integer_limits(bits)
    if span is None:
        return scale_for_range(largest * RANGE_HEADROOM, bits), low, high
    least, largest = (RANGE_HEADROOM * end for end in span)
    scale, zero_point = grid_for_span(least, largest, bits)
    return scale, low + zero_point, high + zero_point
