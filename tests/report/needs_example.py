"""Needs made by arithmetic, with every case that a table or a plot meets."""

from __future__ import annotations

from tqs_edge.sensitivity.needs import Need
from tqs_edge.sensitivity.sites import Site, SiteKind

SHARE = 0.01


def need(
    tensor: str,
    begin: int,
    end: int,
    bits: int | None,
    *,
    growth: float | None = 1.05,
    kind: SiteKind = SiteKind.WEIGHT,
) -> Need:
    """Errors that quarter with every doubling of the width, and meet SHARE at `bits`."""
    widths = (2, 4, 8, 16) if kind is SiteKind.WEIGHT else (8, 16)
    prefix = {SiteKind.WEIGHT: "", SiteKind.ACTIVATION: "act:", SiteKind.STATE: "state:"}[kind]
    rows = f"[{begin}:{end}]" if kind is SiteKind.WEIGHT else ""
    site = Site(f"{prefix}{tensor}{rows}", kind, tensor, begin, end, 8, widths)
    first = bits or 64
    errors = {w: 0.5 * SHARE * 4.0 ** (first.bit_length() - w.bit_length()) for w in widths}
    return Need(kind, tensor, begin, end, (site,), bits, errors, growth)


def example_needs() -> tuple[Need, ...]:
    return (
        need("head.weight", 0, 2, None),
        need("cell.weight_hh", 0, 4, 16, growth=1.12),
        need("h", 0, 0, 16, kind=SiteKind.STATE, growth=0.9),
        need("cell.weight_hh", 8, 12, 8, growth=None),
        need("x", 0, 0, 8, kind=SiteKind.ACTIVATION, growth=1.0),
        need("cell.weight_<ih>", 0, 4, 2),
    )
