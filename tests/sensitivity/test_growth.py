"""The late growth factor against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graphs import linear_map
from tqs_edge.sensitivity.growth import FEWEST_STEPS, late_growth
from tqs_edge.sensitivity.score import score


@given(st.floats(0.5, 1.5), st.floats(1e-9, 1e3), st.integers(2 * FEWEST_STEPS, 60))
def test_exponential_growth_is_its_factor(factor: float, size: float, steps: int) -> None:
    squares = np.tile((size * factor ** np.arange(steps)) ** 2, (3, 2, 1))
    assert late_growth(squares) == pytest.approx(factor, rel=1e-9)


def test_the_start_does_not_count() -> None:
    squares = np.concatenate([np.full(20, 1e-30), 1.1 ** (2 * np.arange(20))])
    assert late_growth(squares[None]) == pytest.approx(1.1)


def test_a_held_disturbance_of_a_neutral_loop_grows_like_t() -> None:
    steps = 1000
    found = late_growth(np.arange(1.0, steps + 1)[None] ** 2)
    assert found == pytest.approx(1.0 + 1.4 / steps, abs=0.05 / steps)


def test_probes_are_averaged_in_the_logarithm() -> None:
    t = np.arange(20)
    assert late_growth(np.stack([1.2 ** (2 * t), np.ones(20)])) == pytest.approx(1.2**0.5)


def test_score_holds_the_growth_of_a_linear_map() -> None:
    a, steps = 1.0625, 60
    contexts = np.linspace(0.2, 0.8, 8, dtype=np.float32).reshape(-1, 1, 1)
    report = score(linear_map([[a]]), contexts, steps, probes=4)
    t = np.arange(1, steps + 1)
    held = next(s.growth for s in report.sites if s.site.id == "a[0:1]")
    assert held == pytest.approx(late_growth((t * a ** (t - 1.0))[None] ** 2), rel=1e-3)
    assert held == pytest.approx(a * (1.0 + 1.4 / steps), rel=2e-3)


@pytest.mark.parametrize(
    "squares",
    [np.ones((2, FEWEST_STEPS)), np.zeros((2, 30)), np.full((2, 30), np.inf)],
    ids=["short", "nothing arrives", "overflow"],
)
def test_unknown_growth_is_none(squares: np.ndarray) -> None:
    assert late_growth(squares) is None
