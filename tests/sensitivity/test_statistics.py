"""Intervals cover what they say, and saturation stops the averages."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from tests.graphs import linear_map
from tqs_edge.sensitivity.score import SensitivityReport, score
from tqs_edge.sensitivity.statistics import (
    gain_intervals,
    growth_rates,
    mean_until,
    rank_intervals,
    saturation_steps,
    student_quantile,
)

MATRIX = np.array([[0.9, 0.3, 0.0], [-0.3, 0.9, 0.1], [0.2, 0.0, 0.7]])
STEPS, SEEDS = 12, 60
STARTS = np.random.default_rng(5).standard_normal((24, 1, 3)).astype(np.float32)


def exact_gains() -> np.ndarray:
    """Gains of the rows of MATRIX, over all elements and all starts: a persistent forcing."""
    x = STARTS[:, 0].astype(float)
    slopes = np.zeros((len(x), 3, 3, 3))  # of x_k with respect to element (i, j)
    frames, squares = [], []
    for _ in range(STEPS):
        forcing = np.einsum("ki,nj->nkij", np.eye(3), x)
        slopes = np.einsum("kl,nlij->nkij", MATRIX, slopes) + forcing
        x = x @ MATRIX.T
        frames.append(x)
        squares.append(slopes**2)
    spread = np.std(np.array(frames), axis=(0, 1))
    return (np.array(squares) / spread[:, None, None] ** 2).mean(axis=(0, 1, 2, 4))


@pytest.fixture(scope="module")
def reports() -> list[SensitivityReport]:
    model = linear_map(MATRIX)
    shuffled = [np.random.default_rng(seed).permutation(STARTS) for seed in range(SEEDS)]
    return [
        score(model, starts, STEPS, probes=4, seed=seed, block_rows=1)
        for seed, starts in enumerate(shuffled)
    ]


def test_intervals_cover_a_known_gain(reports: list[SensitivityReport]) -> None:
    exact = exact_gains()
    covered = [
        [s.gain_low <= g <= s.gain_high for s, g in zip(r.sites[:3], exact, strict=True)]
        for r in reports
    ]
    assert 0.8 <= np.mean(covered) <= 1.0


def test_gains_are_right_on_average(reports: list[SensitivityReport]) -> None:
    found = np.mean([[s.gain for s in r.sites[:3]] for r in reports], axis=0)
    assert found == pytest.approx(exact_gains(), rel=0.15)


@pytest.mark.parametrize("probes", [3, 4, 8, 16])
@pytest.mark.parametrize("freedom", [1, 2, 6])
def test_intervals_cover_the_mean_of_skewed_gains(probes: int, freedom: int) -> None:
    gains = np.random.default_rng(0).chisquare(freedom, (4000, probes)) / freedom
    low, high = gain_intervals(gains).T
    assert 0.83 <= np.mean((low <= 1.0) & (high >= 1.0)) <= 0.95


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 9, 17, 257])
def test_quantiles_are_those_of_student(count: int) -> None:
    assert student_quantile(count) == pytest.approx(student.ppf(0.95, count - 1), rel=1e-3)


def test_an_unreachable_output_has_gain_zero_and_no_rate() -> None:
    assert gain_intervals(np.zeros((1, 4))).tolist() == [[0.0, 0.0]]
    assert growth_rates(np.zeros((1, 4, 9))) == [None]


def test_rank_intervals_cover_the_ranks_in_spite_of_common_contexts() -> None:
    rng = np.random.default_rng(1)
    truth = np.exp(np.linspace(2.0, -2.0, 9))
    covered, widths = [], []
    for _ in range(200):
        common = rng.chisquare(2, 6)  # of the contexts: the same for all sites
        gains = truth[:, None] * common * rng.chisquare(8, (9, 6)) / 8
        low, high = rank_intervals(gains, rng).T
        covered.append((low <= np.arange(1, 10)) & (np.arange(1, 10) <= high))
        widths.append(high - low)
    assert np.mean(covered) >= 0.85
    assert np.mean(widths) < 3.0


def test_clear_ranks_have_narrow_intervals() -> None:
    gains = np.array([[1.0, 1.1], [100.0, 90.0], [1e-3, 2e-3]])
    assert rank_intervals(gains, np.random.default_rng(0)).tolist() == [[2, 2], [1, 1], [3, 3]]


def test_saturation_is_the_first_step_above_half_a_deviation() -> None:
    squares = np.array([[[0.1, 0.2, 0.3, 0.1]], [[0.0, 0.0, 0.0, 0.0]], [[0.1, np.nan, 0, 0]]])
    assert saturation_steps(squares).tolist() == [2, 4, 1]
    assert saturation_steps(np.array([[[9.0, 0.0]]])).tolist() == [1]
    assert mean_until(squares[:, 0], np.array([2, 4, 1])).tolist() == pytest.approx([0.15, 0, 0.1])
