"""Axes cover their values and numbers read well."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tqs_edge.report.svg import (
    linear_axis,
    log_axis,
    number,
    round_step,
    shorten,
    step_axis,
)

VALUES = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=8)
POSITIVE = st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=8)


@given(VALUES)
def test_linear_axis_covers_its_values(values):
    axis = linear_axis(values, 0, 100)
    slack = 1e-9 * max(1, *map(abs, values))
    assert axis.low <= min(values) + slack and max(values) - slack <= axis.high
    assert 2 <= len(axis.ticks) <= 8


@given(POSITIVE)
def test_log_axis_covers_its_values_with_few_ticks(values):
    axis = log_axis(values, 100, 0)
    assert axis.low <= min(values) * 1.000001 and max(values) <= axis.high * 1.000001
    assert len(axis.ticks) <= 8
    assert all(-1e-6 <= axis(v) <= 100 + 1e-6 for v in values)


@given(st.integers(1, 5000))
def test_step_axis_ends_at_the_last_step(steps):
    axis = step_axis(steps, 0, 100)
    assert axis(max(steps - 1, 1)) == 100
    assert all(tick == int(tick) for tick in axis.ticks) and len(axis.ticks) <= 8


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (3.14159, "3.14"),
        (0.0123, "0.0123"),
        (1234.5, "1,234"),
        (1e-6, "10⁻⁶"),
        (2.5e-7, "2.5·10⁻⁷"),
        (-0.5, "-0.5"),
        (1e5, "10⁵"),
    ],
)
def test_number_shows_three_digits(value, shown):
    assert number(value) == shown


def test_round_step_is_one_two_or_five():
    assert [round_step(s) for s in (0.11, 0.2, 3, 70)] == [0.2, 0.2, 5, 100]


def test_shorten_keeps_both_ends():
    assert shorten("cell.weight_hh[0:8]", 400) == "cell.weight_hh[0:8]"
    short = shorten("encoder.layers.3.attention.weight[0:8]", 120)
    assert short.startswith("encod") and short.endswith("[0:8]") and len(short) <= 18
