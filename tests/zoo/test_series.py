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


def test_delay_equation_decays_exponentially_while_its_past_is_constant():
    steps = 170  # 17 time units, in which the delayed value stays 1.2
    rest = 10 * 0.2 * 1.2 / (1 + 1.2**10)
    exact = rest + (1.2 - rest) * np.exp(-0.01 * np.arange(steps))
    np.testing.assert_allclose(series.integrate_mackey_glass(steps), exact, rtol=1e-9)


def test_past_mean_takes_a_steady_rise_away_without_looking_ahead():
    line = 3.0 + 0.5 * np.arange(20)
    np.testing.assert_allclose(series.less_past_mean(line, 5), np.full(16, 1.0))
    changed = np.append(line[:-1], 100.0)
    assert np.array_equal(
        series.less_past_mean(changed, 5)[:-1], series.less_past_mean(line, 5)[:-1]
    )


def test_pendulum_parts_swing_to_different_heights():
    parts = series.pendulum()
    stretches = [*parts.training, *parts.planning, *parts.judging]
    heights = {float(abs(stretch[:, 0]).max()) for stretch in stretches}
    assert len(heights) == len(stretches) == 36


def test_windows_lie_inside_one_stretch():
    stretches = [np.arange(0, 10.0)[:, None], np.arange(100, 110.0)[:, None]]
    cut = series.windows(stretches, rows=4, count=5)
    assert cut.shape == (5, 4, 1)
    assert (np.diff(cut[:, :, 0], axis=1) == 1).all()
    assert cut.min() == 0 and cut.max() == 109


def test_first_half_of_the_windows_is_spread_like_all():
    cut = series.windows([np.arange(100.0)[:, None]], rows=1, count=10)[:, 0, 0]
    assert cut.tolist() == [0, 22, 44, 66, 88, 11, 33, 55, 77, 99]
