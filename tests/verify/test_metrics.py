"""Rollout error in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from tqs_edge.verify.metrics import rollout_error


def test_error_is_in_standard_deviations_of_each_output() -> None:
    want = np.stack([np.tile([1.0, -1.0], 4), np.tile([10.0, -10.0], 4)], axis=-1)[None]
    got = want + np.array([0.1, 1.0])
    error = rollout_error(want, got)
    assert error.nrmse == pytest.approx(0.1)
    assert error.nrmse_per_step == pytest.approx([0.1] * 8)
    assert error.valid_horizon == 8


def test_valid_horizon_is_the_mean_over_contexts() -> None:
    want = np.stack([np.tile([[1.0], [-1.0]], (5, 1))] * 2)
    got = want.copy()
    got[0, 4:] += 1.0
    assert rollout_error(want, got).valid_horizon == (4 + 10) / 2


def test_constant_output_does_not_divide_by_zero() -> None:
    want = np.ones((1, 3, 1))
    assert rollout_error(want, want + 0.5).nrmse == pytest.approx(0.5)
