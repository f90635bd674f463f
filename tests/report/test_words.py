"""Numbers read as people say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tqs_edge.report.words import percent, shorten_middle, ten_steps


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [
        (0.0, "0 %"),
        (1e-6, "< 0.01 %"),
        (0.00069, "0.07 %"),
        (0.00999, "1.0 %"),
        (0.0203, "2.0 %"),
        (0.1234, "12 %"),
        (0.999, "100 %"),
        (1.01, "> 100 %"),
    ],
)
def test_percent_has_two_digits_and_ends_at_the_signal(fraction: float, shown: str) -> None:
    assert percent(fraction) == shown


@pytest.mark.parametrize(
    ("growth", "words"),
    [
        (1.12, "grows 3.11x per 10 steps"),
        (1.0, "stays level"),
        (1.004, "stays level"),
        (0.996, "stays level"),
        (0.8, "fades to 11 % in 10 steps"),
    ],
)
def test_growth_over_ten_steps(growth: float, words: str) -> None:
    assert ten_steps(growth) == words


@given(st.text(min_size=1, max_size=60), st.integers(4, 40))
def test_shortened_names_keep_both_ends_and_fit(name: str, room: int) -> None:
    short = shorten_middle(name, room)
    assert len(short) <= room and short[0] == name[0] and short[-1] == name[-1]
    assert short == name or "…" in short
