"""Probes shrink until rollouts answer in proportion; what never does is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.chaotic_maps import logistic_map, map_model
from tests.graphs import gru_contexts, gru_graph, linear_map
from tqs_edge.backends.graph_backend import graph_backend
from tqs_edge.errors import NonFiniteRollout
from tqs_edge.graph.graph import Node, Op
from tqs_edge.sensitivity import linear_range
from tqs_edge.sensitivity.score import SiteScore, score

STARTS = np.linspace(0.2, 0.8, 16, dtype=np.float32).reshape(-1, 1, 1)


def only(report, name: str) -> SiteScore:
    return next(s for s in report.sites if s.site.id == name)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch):
    """Sets the sizes to try in float64."""
    return lambda *given: monkeypatch.setitem(linear_range.SIZES, torch.float64, given)


def test_what_adds_up_is_linear_at_any_size_and_what_multiplies_is_not(sizes) -> None:
    sizes(2.0**-4)
    report = score(linear_map([[0.9]]), STARTS, 3)
    assert only(report, "act:x").linear
    assert not only(report, "a[0:1]").linear  # x_t = a^t x_0


@pytest.mark.parametrize("first", [2.0**-3, 2.0**-9])
def test_a_bent_response_shrinks_the_probe(sizes, first: float) -> None:
    sizes(first, 2.0**-26)
    report = score(logistic_map(3.9), STARTS, 12)
    bent = only(report, "r[0:1]")
    assert (bent.linear, bent.size, report.steps) == (True, 2.0**-26, 12)


@pytest.mark.parametrize("power", [2, 3])
def test_curvature_of_even_and_of_odd_order_shows(sizes, power: int) -> None:
    """y = u + u^power of a disturbance u at 0."""
    nodes = [
        Node("u", Op.DENSE, ("x",), (1, 1), weight="zero"),
        Node("u2", Op.MUL, ("u", "u"), (1, 1)),
        Node("u3", Op.MUL, ("u2", "u"), (1, 1)),
        Node("bent", Op.ADD, ("u", f"u{power}"), (1, 1)),
        Node("y", Op.ADD, ("bent", "x"), (1, 1)),
    ]
    model = map_model("bent", nodes, {"zero": [[0.0]]}, 1)
    for size, linear in ((0.3, False), (2.0**-9, True)):
        sizes(size)
        assert only(score(model, STARTS, 1), "zero[0:1]").linear is linear


def test_a_chaotic_map_takes_the_smallest_probes() -> None:
    report = score(logistic_map(3.9), STARTS, 200)
    assert report.saturated and report.steps < 80
    assert {s.size for s in report.sites} == {linear_range.SIZES[torch.float64][-1]}


def test_smaller_probes_see_further_before_saturation(sizes) -> None:
    steps = []
    for size in (2.0**-14, 2.0**-32):
        sizes(size)
        steps.append(score(logistic_map(3.9), STARTS, 200).steps)
    # The Lyapunov exponent is 0.50: 18 doublings take about 25 steps.
    assert steps[1] - steps[0] == pytest.approx(18 * np.log(2.0) / 0.50, abs=6)


def test_single_precision_stays_clear_of_rounding() -> None:
    model = gru_graph(1, hidden=8)
    contexts = gru_contexts(model, 4)
    single = score(graph_backend(model, torch.float32), contexts, 20)
    double = score(model, contexts, 20)
    assert all(s.size >= 2.0**-12 for s in single.sites)
    assert list(single.gains().values()) == pytest.approx(list(double.gains().values()), rel=0.05)


def test_an_overflowing_probe_names_site_and_step() -> None:
    # x' = w x^2: 1 stays where it is, and what is above runs away doubly exponentially.
    nodes = [
        Node("square", Op.MUL, ("x", "x"), (1, 1)),
        Node("y", Op.DENSE, ("square",), (1, 1), weight="w"),
    ]
    model = map_model("square", nodes, {"w": [[1.0]]}, 1)
    starts = np.array([1.0, 0.5], np.float32).reshape(-1, 1, 1)
    with pytest.raises(NonFiniteRollout, match=r"site 'w\[0:1\]': a disturbance .* at step 4\d"):
        score(model, starts, 60)


def test_a_site_that_reaches_nothing_is_linear_with_gain_zero() -> None:
    model = linear_map(np.diag([0.9, 0.8]))
    dead = Node("dead", Op.DENSE, ("x",), (1, 2), weight="b")
    graph = model.graph
    graph = replace(
        graph,
        nodes=(*graph.nodes, dead),
        constants={**graph.constants, "b": np.ones((2, 2), np.float32)},
        shapes={**graph.shapes, "dead": (1, 2)},
    )
    starts = np.random.default_rng(0).standard_normal((4, 1, 2)).astype(np.float32)
    found = only(score(replace(model, graph=graph), starts, 10), "b[0:2]")
    assert (found.gain, found.rate, found.linear, found.gain_high) == (0.0, None, True, 0.0)
