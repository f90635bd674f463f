"""Widths that the user decides: which sites a name means, and what is left to choose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.plan.wide_states import decidable_widths, searched_bits
from tqs_edge.sensitivity.fake_quant import WIDTHS
from tqs_edge.sensitivity.sites import Site, SiteKind

NEAR_NAMES = 4
SHOWN_EDGES = 12
_ROWS = re.compile(r"(.+)\[(\d+):(\d+)\]")


def parse_pins(texts: Sequence[str]) -> dict[str, int]:
    """["head=8", "act:h=16"] -> {"head": 8, "act:h": 16}. Raises InputError."""
    pins: dict[str, int] = {}
    for text in texts:
        name, equals, bits = text.rpartition("=")
        if not (equals and name and bits.isdecimal()):
            raise InputError(f"--pin '{text}' is not NAME=BITS; write for example --pin head=8")
        if pins.get(name, int(bits)) != int(bits):
            raise InputError(f"--pin gives '{name}' both {pins[name]} and {bits} bits; keep one")
        pins[name] = int(bits)
    return pins


def resolve_pins(sites: Sequence[Site], pins: Mapping[str, int]) -> dict[int, int]:
    """Bits by index of site.

    A pin names a site, a weight, some of its rows, or a prefix of names that ends at a dot: "cell",
    "cell.weight_hh", "cell.weight_hh[0:32]", "act:h", "state:h". Where two name one site, the one
    that names fewer sites decides. Raises InputError for unknown names and widths without a kernel.
    """
    found: dict[int, tuple[int, str, int]] = {}
    for name, bits in pins.items():
        named = _sites_of(sites, name)
        for index in named:
            site = sites[index]
            if bits not in decidable_widths(site):
                legal = ", ".join(map(str, decidable_widths(site)))
                raise InputError(f"pin '{name}={bits}': {site.kind} sites take {legal} bits")
            rank = len(named), name, bits
            if index in found and found[index][0] == rank[0] and found[index][2] != bits:
                raise InputError(
                    f"pins '{found[index][1]}={found[index][2]}' and '{name}={bits}' name the same "
                    "sites; keep one"
                )
            if index not in found or rank[0] < found[index][0]:
                found[index] = rank
    return {index: rank[2] for index, rank in found.items()}


def pin_damage(sites: Sequence[Site], damage: np.ndarray, pins: Mapping[str, int]) -> np.ndarray:
    """The damages (sites, widths) with every width but the pinned one forbidden at pinned sites.

    Raises InputError where the rollout overflows at a pinned width.
    """
    pinned = damage.copy()
    for index, bits in resolve_pins(sites, pins).items():
        width = WIDTHS.index(searched_bits(bits))
        if not np.isfinite(damage[index, width]):
            raise InputError(
                f"'{sites[index].id}' cannot be pinned to {bits} bits: the rollout overflows"
            )
        pinned[index, np.arange(len(WIDTHS)) != width] = np.inf
    return pinned


def least_average_bits(
    sites: Sequence[Site], pins: Mapping[str, int], weight_bits: int | None = None
) -> float:
    """Average bits per weight with all weights but the pinned ones at `weight_bits`, or at their
    narrowest."""
    pinned = resolve_pins(sites, pins)
    weights = [(i, site) for i, site in enumerate(sites) if site.kind is SiteKind.WEIGHT]
    bits = sum(
        site.elements * pinned.get(i, weight_bits or min(site.widths)) for i, site in weights
    )
    return bits / sum(site.elements for _, site in weights)


def _sites_of(sites: Sequence[Site], name: str) -> list[int]:
    """Indices of the sites that a pin's name means. Raises InputError when there are none."""
    rows = _ROWS.fullmatch(name)
    if rows and name not in {site.id for site in sites}:
        return _rows_of(sites, name, rows[1], int(rows[2]), int(rows[3]))
    found = [
        index
        for index, site in enumerate(sites)
        if name == site.id or (site.kind is SiteKind.WEIGHT and _below(site.tensor, name))
    ]
    if not found:
        raise InputError(f"no site is called '{name}'; {_near(sites, name)}")
    return found


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + ".")


def _rows_of(sites: Sequence[Site], name: str, path: str, begin: int, end: int) -> list[int]:
    """The blocks of rows [begin, end) of a weight, which must not cut a block."""
    blocks = [(i, s) for i, s in enumerate(sites) if s.kind is SiteKind.WEIGHT and s.tensor == path]
    if not blocks:
        raise InputError(f"no weight is called '{path}'; {_near(sites, path)}")
    edges = {s.begin for _, s in blocks} | {s.end for _, s in blocks}
    cut = [edge for edge in (begin, end) if edge not in edges]
    if cut or begin >= end:
        shown = ", ".join(map(str, sorted(edges)[:SHOWN_EDGES]))
        more = ", ..." if len(edges) > SHOWN_EDGES else ""
        raise InputError(
            f"'{name}' cuts a block of rows or is empty; the blocks of '{path}' begin and end at "
            f"{shown}{more}"
        )
    return [index for index, site in blocks if begin <= site.begin and site.end <= end]


def _near(sites: Sequence[Site], name: str) -> str:
    """Names that exist, the nearest first."""
    weights = dict.fromkeys(s.tensor for s in sites if s.kind is SiteKind.WEIGHT)
    prefixes = dict.fromkeys(
        path.rsplit(".", depth)[0] for path in weights for depth in range(path.count(".") + 1)
    )
    others = [site.id for site in sites if site.kind is not SiteKind.WEIGHT]
    names = list(dict.fromkeys([*prefixes, *weights, *others]))
    near = get_close_matches(name, names, NEAR_NAMES, 0.5) or names[:NEAR_NAMES]
    return f"try {', '.join(near)}"
