"""States of 32 bits: decided by the user, never searched for.

Scores and searches know widths up to 16 bits. A state that is decided to have 32 has the scores of
16, is not rounded in rollouts that judge plans, and costs what 32 bits cost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tqs_edge.sensitivity.fake_quant import FLOAT, WIDTHS
from tqs_edge.sensitivity.sites import Site, SiteKind

WIDE_STATE_BITS = 32


def decidable_widths(site: Site) -> tuple[int, ...]:
    """The widths that a user may decide on, ascending."""
    return (*site.widths, WIDE_STATE_BITS) if site.kind is SiteKind.STATE else site.widths


def searched_bits(bits: int) -> int:
    """The width as scores and searches know it."""
    return WIDTHS[-1] if bits == WIDE_STATE_BITS else bits


def wide_states(
    sites: Sequence[Site], state_bits: int | None, pinned: Mapping[int, int]
) -> frozenset[str]:
    """States of 32 bits: the tensors of sites pinned so, or of all others where state_bits is 32.

    pinned: bits by index of site (pins.resolve_pins)
    """
    return frozenset(
        site.tensor
        for index, site in enumerate(sites)
        if site.kind is SiteKind.STATE and pinned.get(index, state_bits) == WIDE_STATE_BITS
    )


def unrounded(sites: Sequence[Site], choices: np.ndarray, wide: Collection[str]) -> np.ndarray:
    """The choices (..., sites) with wide states left alone: rounded as 16 bits they would show dead
    bands that they do not have."""
    columns = [site.kind is SiteKind.STATE and site.tensor in wide for site in sites]
    return np.where(columns, FLOAT, choices)
