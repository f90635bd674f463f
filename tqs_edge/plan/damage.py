"""The damage of every width of every site as one array, whatever it was derived from."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.graph.graph import Graph
from tqs_edge.plan.wide_states import decidable_widths, searched_bits
from tqs_edge.sensitivity.exact import DamageTable
from tqs_edge.sensitivity.fake_quant import WIDTHS
from tqs_edge.sensitivity.predict import predict_damage
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import Site, SiteKind


def damage_matrix(
    graph: Graph, scores: SensitivityReport | DamageTable, ranges: Mapping[str, float]
) -> tuple[tuple[Site, ...], np.ndarray]:
    """The sites and their damages (sites, widths), infinite where illegal or overflowing.

    Raises InputError when the scores are of another model.
    """
    table: Mapping[tuple[str, int], float | None]
    if isinstance(scores, DamageTable):
        sites = scores.sites
        _check_sites(graph, sites)
        table = scores.measured()
    else:
        sites = tuple(score.site for score in scores.sites)
        _check_sites(graph, sites)
        table = predict_damage(scores, graph, ranges)
    damage = np.full((len(sites), len(WIDTHS)), np.inf)
    for i, site in enumerate(sites):
        for bits in site.widths:
            value = table[site.id, bits]
            damage[i, WIDTHS.index(bits)] = np.inf if value is None else value
    return sites, damage


def pin_widths(
    sites: tuple[Site, ...],
    damage: np.ndarray,
    kind: SiteKind,
    bits: int | None,
    *,
    spared: Collection[int] = (),
) -> np.ndarray:
    """The damages with every width of `kind` but `bits` forbidden; unchanged for None.

    spared: indices of sites that stay as they are.
    """
    if bits is None:
        return damage
    pinned = damage.copy()
    for i, site in enumerate(sites):
        if site.kind is not kind or i in spared:
            continue
        if bits not in decidable_widths(site):
            *fewer, most = decidable_widths(site)
            legal = f"{', '.join(map(str, fewer))} or {most}"
            raise InputError(f"{kind} sites take {legal} bits, not {bits}")
        searched = searched_bits(bits)
        pinned[i, [k for k, width in enumerate(WIDTHS) if width != searched]] = np.inf
    return pinned


def _check_sites(graph: Graph, sites: tuple[Site, ...]) -> None:
    for site in sites:
        shape = graph.constants[site.tensor].shape if site.tensor in graph.constants else None
        known = shape is not None and site.end <= shape[0]
        if not (known if site.kind is SiteKind.WEIGHT else site.tensor in graph.shapes):
            raise InputError(
                f"the model has no site '{site.id}'; score this very model before planning"
            )
