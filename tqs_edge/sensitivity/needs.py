"""How many bits each site needs: the score turned into widths for a stated rollout error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from tqs_edge.errors import InputError
from tqs_edge.sensitivity.predict import predict_damage
from tqs_edge.sensitivity.residual import HasConstants
from tqs_edge.sensitivity.score import SensitivityReport, SiteScore
from tqs_edge.sensitivity.sites import Site, SiteKind

TOLERANCE = 0.05  # rollout error, in standard deviations of the output
COMPARED_BITS = 4  # sites of the same need are ordered by their error at this width


@dataclass(frozen=True)
class Need:
    """What one site needs, or several neighbouring blocks of one weight that need the same.

    bits: the least width with which every site keeps to its share of the tolerance; None where
    even the widest does not
    errors: predicted rollout error by width, when these sites alone have it, in standard deviations
    of the output (errors of several sites add in squares)
    growth: factor per step of a disturbance late in the rollout, of the site that errs most
    """

    kind: SiteKind
    tensor: str
    begin: int
    end: int
    sites: tuple[Site, ...]
    bits: int | None
    errors: Mapping[int, float]
    growth: float | None

    @property
    def label(self) -> str:
        """The site's id, or "cell.weight_hh[0:32]" for all of its blocks."""
        return (
            self.sites[0].id if len(self.sites) == 1 else f"{self.tensor}[{self.begin}:{self.end}]"
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Legal widths, ascending."""
        return self.sites[0].widths

    @property
    def narrower(self) -> int | None:
        """The widest width that is not enough; None where the narrowest is."""
        short = [w for w in self.widths if self.bits is None or w < self.bits]
        return max(short, default=None)

    @property
    def elements(self) -> int:
        """Numbers stored at the chosen width."""
        return sum(site.elements for site in self.sites)


def equal_share(tolerance: float, sites: int) -> float:
    """Error allowed to each of `sites` sites, whose squares add up to the tolerance's."""
    return tolerance / sqrt(sites)


def check_tolerance(tolerance: float) -> None:
    """InputError for a tolerance that is not above zero."""
    if not tolerance > 0.0:
        raise InputError(f"a tolerance of {tolerance:g} is not above zero; 0.05 allows 5 %")


def site_needs(
    report: SensitivityReport,
    graph: HasConstants,
    ranges: Mapping[str, float],
    tolerance: float = TOLERANCE,
) -> tuple[Need, ...]:
    """The need of every site, the neediest first, for a rollout error of `tolerance` in all.

    Every site may spend an equal share of the squared error. ranges: largest magnitudes by tensor.
    Raises InputError for a tolerance that is not above zero.
    """
    check_tolerance(tolerance)
    damage = predict_damage(report, graph, ranges)
    share = equal_share(tolerance, len(report.sites))
    needs = [_need(score, damage, share) for score in report.sites]
    return tuple(sorted(needs, key=_neediest))


def merge_needs(needs: Sequence[Need]) -> tuple[Need, ...]:
    """The needs with neighbouring blocks of one weight that need the same put together."""
    in_place = sorted(needs, key=lambda need: (need.kind, need.tensor, need.begin))
    merged: list[Need] = []
    for need in in_place:
        last = merged[-1] if merged else None
        if last is not None and _same(last, need):
            merged[-1] = _joined(last, need)
        else:
            merged.append(need)
    return tuple(sorted(merged, key=_neediest))


def needed_error(needs: Sequence[Need]) -> float:
    """Predicted rollout error with every site at the width it needs (the widest for None)."""
    return sqrt(sum(need.errors[need.bits or max(need.widths)] ** 2 for need in needs))


def needed_bits(needs: Sequence[Need]) -> float:
    """Average bits per weight with every site at the width it needs."""
    weights = [need for need in needs if need.kind is SiteKind.WEIGHT]
    bits = sum(need.elements * (need.bits or max(need.widths)) for need in weights)
    return bits / sum(need.elements for need in weights)


def _need(score: SiteScore, damage: Mapping[tuple[str, int], float], share: float) -> Need:
    site = score.site
    errors = {bits: sqrt(damage[site.id, bits]) for bits in site.widths}
    enough = [bits for bits in site.widths if errors[bits] <= share]
    bits = min(enough, default=None)
    return Need(site.kind, site.tensor, site.begin, site.end, (site,), bits, errors, score.growth)


def _same(first: Need, second: Need) -> bool:
    return (
        first.kind is SiteKind.WEIGHT
        and (first.tensor, first.end) == (second.tensor, second.begin)
        and first.bits == second.bits
    )


def _joined(first: Need, second: Need) -> Need:
    """Growth is that of the greater error at the width where both are still short."""
    bits = first.narrower or min(first.widths)
    worse = max((first, second), key=lambda need: need.errors[bits])
    return Need(
        first.kind,
        first.tensor,
        first.begin,
        second.end,
        (*first.sites, *second.sites),
        first.bits,
        {b: sqrt(e**2 + second.errors[b] ** 2) for b, e in first.errors.items()},
        worse.growth,
    )


def _neediest(need: Need) -> tuple[float, float, str, int]:
    width = next((w for w in need.widths if w >= COMPARED_BITS), max(need.widths))
    return -(need.bits or 2 * max(need.widths)), -need.errors[width], need.tensor, need.begin
