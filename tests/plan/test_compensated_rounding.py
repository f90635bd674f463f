"""Rounding with compensation against the textbook algorithm and against all integers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tqs_edge.plan.compensated_rounding import BLOCK, compensated_rounding, least_squares_step


def loss(a: np.ndarray, target: np.ndarray, z: np.ndarray, damping: float) -> float:
    step = z - target
    return float(((step @ a) ** 2).mean() + damping * (step**2).sum())


def textbook(
    a: np.ndarray, target: np.ndarray, low: np.ndarray, high: np.ndarray, damping: float
) -> np.ndarray:
    """GPTQ with the whole n x n Hessian at once."""
    hessian = a @ a.T / a.shape[1] + damping * np.eye(len(a))
    free = np.isinf(high)
    order = np.flatnonzero(~free)
    order = order[np.argsort(-(a[order] ** 2).sum(axis=1), kind="stable")]
    order = np.concatenate([order, np.flatnonzero(free)])
    upper = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    x, z = target[order].copy(), np.zeros(len(a))
    for i, entry in enumerate(order):
        z[entry] = x[i]
        if not free[entry]:
            z[entry] = np.clip(np.floor(x[i] + 0.5), low[entry], high[entry])
            x[i + 1 :] -= (x[i] - z[entry]) / upper[i, i] * upper[i, i + 1 :]
    return z


def random_problem(seed: int, n: int, samples: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, samples)) * 10.0 ** rng.uniform(-2, 0, (n, 1))
    low, high = np.full(n, -8.0), np.full(n, 7.0)
    low[-n // 10 :], high[-n // 10 :] = -np.inf, np.inf
    return a, 3.0 * rng.standard_normal(n), low, high


@pytest.mark.parametrize("n", [7, BLOCK + 30, 3 * BLOCK])
def test_is_the_textbook_algorithm_whatever_the_blocks(n: int) -> None:
    a, target, low, high = random_problem(n, n, 60)
    found = compensated_rounding(a, target, low, high, 1e-2)
    np.testing.assert_allclose(found, textbook(a, target, low, high, 1e-2), atol=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_integers_keep_their_limits_and_free_numbers_are_optimal(seed: int) -> None:
    a, target, low, high = random_problem(seed, 20, 12)
    z = compensated_rounding(a, target, low, high, 0.1)
    free = np.isinf(high)
    assert (z[~free] == np.floor(z[~free])).all()
    assert ((low <= z) & (z <= high)).all()
    gradient = a @ ((z - target) @ a) / a.shape[1] + 0.1 * (z - target)
    np.testing.assert_allclose(gradient[free], 0.0, atol=1e-9)


def test_comes_close_to_the_best_of_all_integers() -> None:
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a, target = rng.standard_normal((5, 3)), rng.uniform(-1.5, 1.5, 5)
        low, high = np.full(5, -2.0), np.full(5, 1.0)
        z = compensated_rounding(a, target, low, high, 1e-3)
        every = [np.array(c) for c in product((-2.0, -1.0, 0.0, 1.0), repeat=5)]
        best = min(loss(a, target, c, 1e-3) for c in every)
        nearest = np.clip(np.floor(target + 0.5), low, high)
        assert loss(a, target, z, 1e-3) >= best * (1 - 1e-12)
        ratios.append(loss(a, target, z, 1e-3) / loss(a, target, nearest, 1e-3))
    assert np.exp(np.mean(np.log(ratios))) < 0.7


def test_strong_damping_leaves_nearest_rounding() -> None:
    a, target, low, high = random_problem(1, 40, 10)
    z = compensated_rounding(a, target, low, high, 1e12)
    free = np.isinf(high)
    np.testing.assert_array_equal(z[~free], np.clip(np.floor(target + 0.5), low, high)[~free])


def test_least_squares_step_has_no_gradient() -> None:
    rng = np.random.default_rng(2)
    a, error = rng.standard_normal((30, 9)), rng.standard_normal(9)
    step = least_squares_step(a, error, 0.3)
    np.testing.assert_allclose(a @ (error + step @ a) / 9 + 0.3 * step, 0.0, atol=1e-12)
