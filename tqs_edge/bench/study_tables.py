"""The study's numbers by model and budget, means over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tqs_edge.bench.plans import METHODS, Judgement
from tqs_edge.bench.study_summary import LEAST_NRMSE, TIE, geometric_mean


@dataclass(frozen=True)
class MeanRow:
    """One model at one budget: a value by method, and the methods that have the best."""

    model: str
    avg_bits: float
    values: Mapping[str, float]
    best: frozenset[str]


def mean_rows(
    judgements: Sequence[Judgement], *, valid_horizon: bool = False
) -> tuple[MeanRow, ...]:
    """Geometric means of the nRMSE over seeds (least is best), or means of the valid horizon."""
    cells: dict[tuple[str, float], dict[str, list[float]]] = {}
    for j in judgements:
        value = j.valid_horizon if valid_horizon else max(j.nrmse, LEAST_NRMSE)
        methods = cells.setdefault((j.model, j.avg_bits), {})
        methods.setdefault(j.method, []).append(value)
    rows = []
    for (model, bits), found in cells.items():
        values = {
            name: float(np.mean(found[name])) if valid_horizon else geometric_mean(found[name])
            for name in METHODS
            if name in found
        }
        top = max(values.values()) if valid_horizon else min(values.values())
        best = frozenset(name for name, v in values.items() if abs(v - top) <= TIE * abs(top))
        rows.append(MeanRow(model, bits, values, best))
    order = {model: k for k, model in enumerate(dict.fromkeys(row.model for row in rows))}
    return tuple(sorted(rows, key=lambda row: (order[row.model], row.avg_bits)))
