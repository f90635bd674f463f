"""Random convolutional forecasters stream: the frames of their windows, and the same integers."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.forecasters import Forecaster
from tests.graph.test_stream_exog import assert_same_frames
from tests.integer.test_streaming import assert_same_integers
from tqs_edge.frontend.load import load_model
from tqs_edge.graph.stream import KEPT_PRICE, streaming_form

RELAXED = dict(
    deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def check(seed: int) -> None:
    made = Forecaster(random.Random(seed)).eval()
    model = load_model(made, example_inputs=made.example_inputs).model
    for kept_price in (0, KEPT_PRICE):
        assert_same_frames(model, streaming_form(model, kept_price), seed % 5)
        assert_same_integers(model, kept_price)


@settings(max_examples=3, **RELAXED)
@given(st.integers(0, 1 << 30))
def test_random_forecasters_stream(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@settings(max_examples=25, **RELAXED)
@given(st.integers(0, 1 << 30))
def test_many_random_forecasters_stream(seed: int) -> None:
    check(seed)
