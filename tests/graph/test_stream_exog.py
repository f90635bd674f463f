"""Streaming steps that take the new exogenous rows give the windowed step's frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.windowed_graphs import Step, all_known, driven_tcn
from tqs_edge.frontend.contexts import exog_of_calls, known_rows, zeros_first
from tqs_edge.graph.graph import Op
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.stream import products, stream, streaming_form

HORIZON = 12


def assert_same_frames(model: RolloutModel, streamed: RolloutModel, extra_rows: int = 0) -> None:
    random = np.random.default_rng(0)
    rows = model.length + extra_rows
    contexts = random.standard_normal((3, rows, model.features))
    moments = known_rows(model, rows, HORIZON)
    assert moments == known_rows(streamed, rows, HORIZON)
    known = random.standard_normal((3, moments, model.exog // model.exog_rows))
    constants = {k: torch.from_numpy(v).double() for k, v in model.graph.constants.items()}
    want, got = (
        rollout(
            form,
            torch.from_numpy(zeros_first(contexts, form.context_length - rows)),
            HORIZON,
            exog=torch.from_numpy(exog_of_calls(form, known, rows, HORIZON)),
            weight=constants.__getitem__,
        )
        for form in (model, streamed)
    )
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


def kept_rows(model: RolloutModel) -> dict[str, int]:
    return {state.rows_of: state.shape[-2] for state in model.graph.states if state.rows_of}


@pytest.mark.parametrize("extra_rows", [0, 5])
def test_a_step_takes_the_rows_of_the_moments_it_forecasts(extra_rows: int) -> None:
    model = driven_tcn(16, 2, 18, lead=2)
    streamed = stream(model)
    assert streamed is not model and streamed.exog_lead == 2
    assert (streamed.exog, streamed.exog_rows) == (4, 2)
    assert streamed.graph.shapes["exog"] == (1, 2, 2)
    assert "exog" not in kept_rows(streamed)  # each is joined to the row two moments before it
    assert products(streamed.graph) * 5 < products(model.graph)
    assert_same_frames(model, streamed, extra_rows)


def test_rows_known_ahead_wait_for_the_window_rows_of_their_moments() -> None:
    streamed = streaming_form(driven_tcn(16, 2, 18, lead=0))
    assert kept_rows(streamed)["exog"] == 4
    assert_same_frames(driven_tcn(16, 2, 18, lead=0), streamed)


def test_rows_of_the_forecast_alone_are_taken_as_they_are() -> None:
    model = driven_tcn(16, 3, 3, lead=3)
    assert_same_frames(model, streaming_form(model))


@pytest.mark.parametrize("extra_rows", [0, 1, 4, 5])
def test_steps_on_zeros_bring_in_the_rows_of_the_first_moments(extra_rows: int) -> None:
    model = all_known(10, 4)
    streamed = streaming_form(model)
    assert streamed.least_context == 10 and streamed.context_length == 14
    assert_same_frames(model, streamed, extra_rows)


def test_the_same_exogenous_rows_may_be_read_at_two_moments() -> None:
    step = Step(9, 1, known=10)
    now = step.op(Op.SLICE, ("exog",), (1, 9, 2), axis=-2, begin=0, end=9)
    later = step.op(Op.SLICE, ("exog",), (1, 9, 2), axis=-2, begin=1, end=10)
    h = step.dense(step.op(Op.CONCAT, ("x", now, later), (1, 9, 5), axis=-1), 4)
    model = step.model(step.dense(step.last(step.conv(h, 4, 3)), 1))
    streamed = streaming_form(model)
    assert kept_rows(streamed)["exog"] == 2
    assert_same_frames(model, streamed)


def test_exogenous_rows_that_nothing_reads_are_still_taken() -> None:
    step = Step(9, 1, known=4)
    model = step.model(step.dense(step.last(step.conv(step.dense("x", 4), 4, 3)), 1))
    streamed = streaming_form(model)
    assert streamed.graph.exog == "exog" and streamed.exog_rows == 1
    assert_same_frames(model, streamed)


@settings(deadline=None, max_examples=40)
@given(
    dilations=st.lists(st.integers(1, 3), max_size=3),
    block=st.integers(1, 4),
    spare=st.integers(0, 3),
    missing=st.integers(0, 40),
    lead=st.integers(0, 4),
    extra_rows=st.integers(0, 5),
)
def test_any_alignment_streams(
    dilations: list[int], block: int, spare: int, missing: int, lead: int, extra_rows: int
) -> None:
    length = 1 + 2 * sum(dilations) + 2 * block + spare
    lead = min(lead, block)
    known = max(block - lead + 1, length + block - missing)
    model = driven_tcn(length, block, known, tuple(dilations), lead)
    assert_same_frames(model, streaming_form(model), extra_rows)
