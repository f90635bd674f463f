"""The drawing of a Pareto front shows every plan and names the uniform ones."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.pareto import ParetoFront, ParetoPoint
from tqs_edge.report.plot_pareto import NAMES, pareto_figure

PLAN = BitPlan({}, {}, {}, "tqs")


def point(label: str, cost: float, nrmse: float) -> ParetoPoint:
    usage = {"flash": cost, "ram": 1.0, "insns": cost, "avg_bits": cost}
    limit = None if label != "tqs" else cost
    return ParetoPoint(label, limit, PLAN, nrmse**2, nrmse**2, usage)


FRONT = ParetoFront(
    "flash",
    (point("tqs", 4000, 0.5), point("tqs", 6000, 0.01), point("tqs", 9000, 0.0)),
    (point("a16w4", 5000, 0.4), point("a16w8", 8000, 0.02)),
)


def test_every_plan_has_a_dot_and_uniform_ones_a_name() -> None:
    body = pareto_figure(FRONT).body
    assert body is not None
    root = ElementTree.fromstring(body)
    circles = root.findall(".//circle")
    assert [c.get("class") for c in circles] == ["ours"] * 3 + ["float"] * 2
    hints = [c.findtext("title") for c in circles]
    assert hints[1] == "tqs: nRMSE 0.01 at 6,000"
    names = [t.text for t in root.findall(".//text")]
    assert "a16w4" in names and "a16w8" in names and "flash, bytes" in names


def test_cheaper_is_left_and_better_is_low() -> None:
    body = pareto_figure(FRONT).body
    assert body is not None
    places = [
        (float(c.get("cx", "nan")), float(c.get("cy", "nan")))
        for c in ElementTree.fromstring(body).findall(".//circle")
    ][:3]
    assert places == sorted(places)


def test_the_line_is_level_until_a_better_plan_fits() -> None:
    body = pareto_figure(FRONT).body
    assert body is not None
    match = re.search(r'<polyline points="([^"]*)" class="ours"', body)
    assert match is not None
    corners = [tuple(map(float, pair.split(","))) for pair in match[1].split()]
    assert len(corners) == 5
    assert corners[0][1] == corners[1][1] and corners[1][0] == corners[2][0]


@pytest.mark.parametrize("resource", NAMES)
def test_every_resource_has_a_name(resource: str) -> None:
    figure = pareto_figure(ParetoFront(resource, FRONT.points, ()))
    assert figure.body is not None and NAMES[resource] in figure.body


def test_without_a_plan_it_says_so() -> None:
    figure = pareto_figure(ParetoFront("flash", (), ()))
    assert figure.body is None and "No plan" in figure.absent
