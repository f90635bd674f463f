"""Exact mode: the damage of really rounding one site at a time, the standard TQS is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.fake_quant import FLOAT, WIDTHS, quantized_weights, rollout_damage
from tqs_edge.sensitivity.predict import predict_damage
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import Site, list_sites


@dataclass(frozen=True)
class Damage:
    """Mean squared standardised rollout error when one site alone has `bits` bits.

    measured is None where the rollout left the finite range; predicted is None without a score.
    """

    site: str
    bits: int
    measured: float | None
    predicted: float | None

    @property
    def relative_error(self) -> float | None:
        """predicted / measured - 1, None where either is missing or nothing was measured."""
        if self.predicted is None or not self.measured:
            return None
        return self.predicted / self.measured - 1.0


@dataclass(frozen=True)
class DamageTable:
    """Damages of every site at every legal width.

    spearman: rank correlation of predicted with measured over (site, bits); None without a score,
    or with fewer than two different damages
    """

    model: str
    horizon: int
    contexts: int
    sites: tuple[Site, ...]
    damages: tuple[Damage, ...]
    spearman: float | None

    def measured(self) -> dict[tuple[str, int], float | None]:
        """Measured damage by (site id, bits)."""
        return {(d.site, d.bits): d.measured for d in self.damages}


def measure_damage(
    model: RolloutModel,
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None = None,
    *,
    report: SensitivityReport | None = None,
    ranges: Mapping[str, float] | None = None,
    sites: tuple[Site, ...] | None = None,
) -> DamageTable:
    """The measured table, beside the predictions of `report` when one is given.

    contexts (N, rows, F), exog (N, calls, E); sites default to the report's, else to list_sites.
    """
    if sites is None:
        sites = tuple(s.site for s in report.sites) if report else list_sites(model.graph)
    ranges = ranges or observe_ranges(model, contexts, horizon, exog)
    clean = clean_rollouts(model, contexts, horizon, exog)
    pairs = [(i, bits) for i, site in enumerate(sites) for bits in site.widths]
    choices = np.full((len(pairs), len(sites)), FLOAT)
    for row, (column, bits) in enumerate(pairs):
        choices[row, column] = WIDTHS.index(bits)
    measured = rollout_damage(clean, quantized_weights(clean, sites, ranges), choices)
    predicted = predict_damage(report, model.graph, ranges) if report else {}
    damages = tuple(
        Damage(
            sites[i].id,
            bits,
            float(value) if np.isfinite(value) else None,
            predicted.get((sites[i].id, bits)),
        )
        for (i, bits), value in zip(pairs, measured, strict=True)
    )
    return DamageTable(
        model.name, horizon, len(contexts), sites, damages, _spearman(damages) if report else None
    )


def _spearman(damages: tuple[Damage, ...]) -> float | None:
    from scipy.stats import spearmanr

    pairs = [(d.predicted, d.measured) for d in damages if d.measured is not None]
    predicted, measured = zip(*pairs, strict=True) if pairs else ((), ())
    if len(set(predicted)) < 2 or len(set(measured)) < 2:
        return None
    return float(spearmanr(predicted, measured).statistic)
