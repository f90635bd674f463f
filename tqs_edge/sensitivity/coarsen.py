"""Gains of larger blocks from those of smaller ones, without another sweep."""

from __future__ import annotations

from collections.abc import Sequence

from tqs_edge.errors import InputError
from tqs_edge.sensitivity.score import SensitivityReport, SiteScore
from tqs_edge.sensitivity.sites import Site, SiteKind


def coarser_gains(report: SensitivityReport, sites: Sequence[Site]) -> dict[str, float]:
    """Gain by id of `sites`, weight blocks that are made of whole blocks of `report`.

    A uniform disturbance of a large block spreads its energy over the parts by their size, and in
    the linear range responses to independent parts add in squares: g = sum n_i g_i / sum n_i.
    Other sites keep their gain. Raises InputError where the blocks of the report do not tile one.
    """
    gains = report.gains()
    found = {}
    for site in sites:
        if site.kind is not SiteKind.WEIGHT and site.id in gains:
            found[site.id] = gains[site.id]
            continue
        parts = [s for s in report.sites if _inside(s, site)]
        covered = sum(part.site.end - part.site.begin for part in parts)
        if not parts or covered != site.end - site.begin:
            raise InputError(
                f"site '{site.id}' is not made of whole blocks of the score; score it in smaller"
                " blocks"
            )
        found[site.id] = sum(p.site.elements * p.gain for p in parts) / site.elements
    return found


def _inside(part: SiteScore, site: Site) -> bool:
    return (
        part.site.kind is SiteKind.WEIGHT
        and part.site.tensor == site.tensor
        and site.begin <= part.site.begin
        and part.site.end <= site.end
    )
