"""Needs follow from gains, residual energies and the tolerance alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import sqrt

import pytest

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.errors import InputError
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.sensitivity.needs import (
    Need,
    equal_share,
    merge_needs,
    needed_bits,
    needed_error,
    site_needs,
)
from tqs_edge.sensitivity.residual import residual_energy
from tqs_edge.sensitivity.score import SensitivityReport, score
from tqs_edge.sensitivity.sites import SiteKind

MODEL = gru_graph(0, features=2, hidden=8)
CONTEXTS = gru_contexts(MODEL, 2)
RANGES = observe_ranges(MODEL, CONTEXTS, 6)
TOLERANCE = 0.05
SHARE = equal_share(TOLERANCE, 17)


@pytest.fixture(scope="module")
def scored() -> SensitivityReport:
    return score(MODEL, CONTEXTS, 6, probes=2)


def with_errors(report: SensitivityReport, wanted: Mapping[str, float]) -> SensitivityReport:
    """The report with gains that give each site its error in `wanted` (SHARE / 100 by default) at
    4 bits, or at 8 where that is the narrowest."""
    sites = []
    for entry in report.sites:
        bits = max(4, min(entry.site.widths))
        energy = residual_energy(MODEL.graph, entry.site, bits, RANGES)
        error = wanted.get(entry.site.id, SHARE / 100)
        sites.append(replace(entry, gain=error**2 / energy, growth=1.0 + error))
    return replace(report, sites=tuple(sites))


def needs_of(report: SensitivityReport, tolerance: float = TOLERANCE) -> dict[str, Need]:
    needs = site_needs(report, MODEL.graph, RANGES, tolerance)
    return {need.label: need for need in needs}


def test_need_is_the_least_width_that_keeps_to_the_share(scored: SensitivityReport) -> None:
    assert len(scored.sites) == 17
    wanted = {"cell.weight_hh[0:4]": 0.99 * SHARE, "cell.weight_hh[4:8]": 1.01 * SHARE}
    wanted |= {"head.weight[0:2]": 1e9 * SHARE, "act:x": 1.01 * SHARE, "state:h": 0.99 * SHARE}
    found = needs_of(with_errors(scored, wanted))
    assert found["cell.weight_hh[0:4]"].bits == 4
    assert found["cell.weight_hh[4:8]"].bits == 8
    assert found["cell.weight_hh[8:12]"].bits == 2
    assert found["head.weight[0:2]"].bits is None
    assert found["act:x"].bits == 16 and found["act:x"].errors[8] == pytest.approx(1.01 * SHARE)
    assert found["state:h"].bits == 8
    assert found["cell.weight_hh[4:8]"].narrower == 4
    assert found["head.weight[0:2]"].narrower == 16
    assert found["cell.weight_hh[8:12]"].narrower is None


def test_order_is_by_need_and_then_by_error(scored: SensitivityReport) -> None:
    wanted = {"cell.weight_hh[4:8]": 3 * SHARE, "cell.weight_hh[12:16]": 2 * SHARE}
    wanted |= {"act:h": 0.5 * SHARE, "head.weight[0:2]": 1e9 * SHARE}
    order = list(needs_of(with_errors(scored, wanted)))
    assert order[:3] == ["head.weight[0:2]", "cell.weight_hh[4:8]", "cell.weight_hh[12:16]"]
    assert order[3] == "act:h"


def test_a_wider_tolerance_never_needs_more(scored: SensitivityReport) -> None:
    widths = [
        {label: need.bits or 99 for label, need in needs_of(scored, tolerance).items()}
        for tolerance in (0.001, 0.01, 0.1, 1.0)
    ]
    for tight, loose in pairwise(widths):
        assert all(loose[label] <= bits for label, bits in tight.items())


def test_neighbouring_blocks_of_one_need_share_a_line(scored: SensitivityReport) -> None:
    wanted = {"cell.weight_hh[8:12]": 3 * SHARE, "cell.weight_hh[12:16]": 4 * SHARE}
    needs = site_needs(with_errors(scored, wanted), MODEL.graph, RANGES, TOLERANCE)
    merged = {need.label: need for need in merge_needs(needs)}
    assert set(merged) == {
        *("cell.weight_ih[0:24]", "cell.weight_hh[0:8]", "cell.weight_hh[8:16]"),
        *("cell.weight_hh[16:24]", "head.weight[0:2]", "act:x", "act:h", "act:h_next", "state:h"),
    }
    both = merged["cell.weight_hh[8:16]"]
    assert both.errors[4] == pytest.approx(5 * SHARE) and both.bits == 8 and len(both.sites) == 2
    assert both.growth == pytest.approx(1.0 + 4 * SHARE)
    assert both.elements == 64
    assert sum(need.elements for need in merged.values()) == sum(n.elements for n in needs)


def test_at_the_needed_widths_the_error_keeps_to_the_tolerance(scored: SensitivityReport) -> None:
    needs = site_needs(scored, MODEL.graph, RANGES, TOLERANCE)
    assert all(need.bits is not None for need in needs)
    assert needed_error(needs) <= TOLERANCE
    assert needed_error(needs) == pytest.approx(needed_error(merge_needs(needs)))
    assert needed_error(needs) == pytest.approx(
        sqrt(sum(n.errors[n.bits] ** 2 for n in needs if n.bits is not None))
    )
    weights = [n for n in needs if n.kind is SiteKind.WEIGHT]
    total = sum(n.elements * (n.bits or 0) for n in weights)
    assert needed_bits(needs) == pytest.approx(total / sum(n.elements for n in weights))


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan")])
def test_tolerance_must_be_above_zero(scored: SensitivityReport, tolerance: float) -> None:
    with pytest.raises(InputError, match="not above zero"):
        site_needs(scored, MODEL.graph, RANGES, tolerance)
