"""The series behind the zoo: parts that do not overlap, sound integration, repeatable windows."""

import itertools

import numpy as np
import pytest

from tqs_edge.zoo import series


def test_ppg_parts_do_not_overlap():
    ranges = sorted([*series.PPG_TRAINING, *series.PPG_PLANNING, *series.PPG_JUDGING])
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ranges))


@pytest.mark.parametrize("name", series.SERIES)
def test_training_part_is_standardised(name):
    rows = np.concatenate(series.SERIES[name]().training)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(rows.std(axis=0), 1, atol=1e-3)


def test_integration_error_falls_with_the_fourth_power_of_the_step():
    def error(steps):
        states = series.integrate(lambda v: -v, np.ones(1), dt=1 / steps, rows=steps, skip=0)
        return abs(states[-1, 0] - np.exp(-1))

    assert error(10) / error(20) == pytest.approx(16, rel=0.1)


def test_windows_lie_inside_one_stretch():
    stretches = [np.arange(0, 10.0)[:, None], np.arange(100, 110.0)[:, None]]
    cut = series.windows(stretches, rows=4, count=5)
    assert cut.shape == (5, 4, 1)
    assert (np.diff(cut[:, :, 0], axis=1) == 1).all()
    assert cut[0, 0, 0] == 0 and cut[-1, -1, 0] == 109
