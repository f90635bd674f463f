"""Choices of width indices by site, and the bit plans they stand for."""

from __future__ import annotations

import numpy as np

from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.wide_states import WIDE_STATE_BITS, searched_bits
from tqs_edge.sensitivity.fake_quant import WIDTHS
from tqs_edge.sensitivity.sites import Site, SiteKind


def to_bit_plan(costs: CostTable, choice: np.ndarray, method: str) -> BitPlan:
    """The plan of a choice (sites,), neighbouring row blocks of one kernel merged.

    Blocks of equal width but different accumulators stay apart: together they would need the wider
    one, and cost more than was planned.
    """
    weights: dict[str, list[RowBlock]] = {}
    activations: dict[str, int] = {}
    states: dict[str, int] = {}
    last: dict[str, tuple[int, ...]] = {}
    for index, site in enumerate(costs.sites):
        bits = WIDTHS[choice[index]]
        if site.kind is SiteKind.ACTIVATION:
            activations[site.tensor] = bits
        elif site.kind is SiteKind.STATE:
            wide = site.tensor in costs.wide_states
            states[site.tensor] = WIDE_STATE_BITS if wide else bits
        else:
            blocks = weights.setdefault(site.tensor, [])
            kernels = bits, *_accumulators(costs, index, choice)
            if blocks and last[site.tensor] == kernels:
                blocks[-1] = RowBlock(blocks[-1].begin, site.end, bits)
            else:
                blocks.append(RowBlock(site.begin, site.end, bits))
            last[site.tensor] = kernels
    return BitPlan(
        {path: tuple(blocks) for path, blocks in weights.items()}, activations, states, method
    )


def _accumulators(costs: CostTable, site: int, choice: np.ndarray) -> tuple[int, ...]:
    return tuple(
        64 if use.acc64[choice[use.weight], choice[use.activation]] else 32
        for use in costs.uses
        if use.weight == site
    )


def to_choice(sites: tuple[Site, ...], plan: BitPlan) -> np.ndarray:
    """The choice (sites,) of a plan whose row blocks are unions of the sites' blocks; of 32-bit
    states, that of 16."""
    widths = map(searched_bits, planned_bits(sites, plan))
    return np.array([WIDTHS.index(b) for b in widths], np.int64)


def planned_bits(sites: tuple[Site, ...], plan: BitPlan) -> list[int]:
    """The width of every site under such a plan."""
    bits = []
    for site in sites:
        if site.kind is SiteKind.ACTIVATION:
            bits.append(plan.activations[site.tensor])
        elif site.kind is SiteKind.STATE:
            bits.append(plan.states[site.tensor])
        else:
            blocks = plan.weights[site.tensor]
            bits.append(next(b.bits for b in blocks if b.begin <= site.begin < b.end))
    return bits
