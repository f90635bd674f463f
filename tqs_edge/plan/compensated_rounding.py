"""Rounding numbers one after the other so that those still free make up for each error.

Optimal-brain rounding in the order of GPTQ (Frantar et al., arXiv 2210.17323), with the rollout's
own Gram matrix in place of a layer's inputs, so that numbers of all layers make up for each other.
The Gram matrix A A^T of n responses of M samples has rank M at most: the part that has not been
rounded yet enters through an M x M matrix, so the work is linear in n.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky

BLOCK = 256


def compensated_rounding(
    responses: np.ndarray,
    target: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    damping: float,
) -> np.ndarray:
    """Numbers z (n,) that lower ||(z - target) A||^2 / M + damping * ||z - target||^2.

    responses: A (n, M); target (n,), in units of the grid. Entry i is an integer within
    [low[i], high[i]], or any number where high[i] is infinite. damping > 0.
    """
    a = np.asarray(responses, np.float64)
    samples = a.shape[1]
    z = np.array(target, np.float64)
    free = np.isinf(high)
    order = np.flatnonzero(~free)
    order = order[np.argsort(-(a[order] ** 2).sum(axis=1), kind="stable")]
    gram = a.T @ a / samples
    for first in range(0, len(order), BLOCK):
        block = order[first : first + BLOCK]
        rest = np.concatenate([order[first + BLOCK :], np.flatnonzero(free)])
        part = a[block]
        gram -= part.T @ part / samples
        factor = cho_factor(gram + damping * np.eye(samples), lower=True, check_finite=False)
        solved = cho_solve(factor, part.T, check_finite=False)
        conditional = damping * (np.eye(len(block)) + part @ solved / samples)
        rounded = _round_block(conditional, z[block], low[block], high[block])
        z[rest] -= a[rest] @ (solved @ (rounded - z[block])) / samples
        z[block] = rounded
    return z


def least_squares_step(responses: np.ndarray, error: np.ndarray, damping: float) -> np.ndarray:
    """The step d (n,) that lowers ||error + d A||^2 / M + damping * ||d||^2; error (M,)."""
    a = np.asarray(responses, np.float64)
    samples = a.shape[1]
    gram = a.T @ a / samples + damping * np.eye(samples)
    factor = cho_factor(gram, lower=True, check_finite=False)
    return np.asarray(-a @ cho_solve(factor, error, check_finite=False) / samples)


def _round_block(
    hessian: np.ndarray, target: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Integers (b,) for a small Hessian (b, b), one after the other."""
    inverse = np.linalg.inv(hessian)
    upper = cholesky((inverse + inverse.T) / 2.0, lower=False, check_finite=False)
    x = target.copy()
    rounded = np.empty_like(x)
    for i in range(len(x)):
        rounded[i] = min(max(np.floor(x[i] + 0.5), low[i]), high[i])
        x[i + 1 :] -= (x[i] - rounded[i]) / upper[i, i] * upper[i, i + 1 :]
    return rounded
