"""The energy of what rounding a site to a width changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from tqs_edge.quant.scheme import fake_quantize_rows
from tqs_edge.sensitivity.fake_quant import site_scale
from tqs_edge.sensitivity.sites import Site, SiteKind


class HasConstants(Protocol):
    """A graph, or a black box: weight matrices (rows, depth) by path."""

    @property
    def constants(self) -> Mapping[str, np.ndarray]: ...


def residual_energy(
    graph: HasConstants, site: Site, bits: int, ranges: Mapping[str, float]
) -> float:
    """||Q(W) - W||^2 of a weight block; LSB^2 / 12 * elements, per step, of anything else."""
    if site.kind is SiteKind.WEIGHT:
        block = graph.constants[site.tensor][site.begin : site.end]
        residual = fake_quantize_rows(block, bits).astype(np.float64) - block
        return float((residual**2).sum())
    return noise_energy(site_scale(ranges, site.tensor, bits), site.elements)


def noise_energy(lsb: float, elements: int) -> float:
    """Expected energy of `elements` uniform errors within half an LSB."""
    return lsb * lsb / 12.0 * elements
