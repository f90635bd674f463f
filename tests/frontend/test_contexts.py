"""Contexts from files and from free runs; every wrong file names cause and fix."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.frontend import models
from tests.graph.windowed_graphs import all_known
from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.frontend import Contexts, free_running_contexts, read_contexts, split_contexts
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.stream import streaming_form


@pytest.fixture
def recurrent() -> RolloutModel:
    return models.loaded("GRUCell").model


@pytest.fixture
def windowed() -> RolloutModel:
    return models.loaded("window MLP").model


@pytest.fixture
def with_exog() -> RolloutModel:
    return models.loaded("state space").model


def saved(path, array) -> object:
    np.save(path, array)
    return path


def test_three_axes_are_used_as_they_are(recurrent, tmp_path):
    values = np.arange(24).reshape(3, 4, 2)
    contexts = read_contexts(recurrent, saved(tmp_path / "c.npy", values), horizon=5)
    assert contexts.values.dtype == np.float32 and contexts.exog is None
    np.testing.assert_array_equal(contexts.values, values)
    assert contexts.origin == "3 contexts of 'c.npy'"


def test_series_is_cut_into_disjoint_windows_that_span_it(windowed, tmp_path):
    series = np.arange(46).reshape(23, 2)
    contexts = read_contexts(windowed, saved(tmp_path / "s.npy", series), horizon=5)
    assert contexts.values.shape == (4, 5, 2)
    first_rows = contexts.values[:, 0, 0] / 2
    assert first_rows[0] == 0 and first_rows[-1] == 18 and np.diff(first_rows).min() >= 5


def test_csv_header_is_optional_and_time_stamps_are_skipped(recurrent, tmp_path):
    rows = [f"2024-01-{d:02d},{d}.5,{-d}" for d in range(1, 11)]
    for header in ([], ["date,a,b"]):
        path = tmp_path / "s.csv"
        path.write_text("\n".join(header + rows))
        contexts = read_contexts(recurrent, path, horizon=3, rows=5)
        assert contexts.values.shape == (2, 5, 2)
        np.testing.assert_array_equal(contexts.values[0, 0], [1.5, -1])


def test_exog_has_one_row_per_call(with_exog, tmp_path):
    values, exog = np.zeros((2, 4, 2)), np.zeros((2, 20, 3))
    contexts = read_contexts(
        with_exog,
        saved(tmp_path / "c.npy", values),
        exog_path=saved(tmp_path / "e.npy", exog),
        horizon=6,
    )
    assert contexts.exog is not None and contexts.exog.shape == (2, 4 + 6 - 1, 3)


def test_exog_series_is_cut_at_the_rows_of_its_context(with_exog, tmp_path):
    clock = np.arange(60)
    contexts = read_contexts(
        with_exog,
        saved(tmp_path / "c.npy", np.stack([clock, clock], 1)),
        exog_path=saved(tmp_path / "e.npy", np.stack([clock] * 3, 1)),
        horizon=6,
        rows=8,
    )
    assert contexts.exog is not None and contexts.exog.shape[1] == 13
    np.testing.assert_array_equal(contexts.exog[:, :8, 0], contexts.values[:, :, 0])


def nan_at(shape, index):
    array = np.zeros(shape)
    array[index] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((3, 4, 5)), r"shape \[3, 4, 5\], want \[rows, 2\] or \[contexts, rows, 2\]"),
        (np.zeros(8), r"shape \[8\]"),
        (np.zeros((0, 2)), "is empty"),
        (np.zeros((3, 2)), "too short: 3 rows, want 5"),
        (nan_at((9, 2), (4, 1)), "1 NaN or infinite values, the first at row 4, column 1"),
        (nan_at((2, 9, 2), (1, 4, 0)), "context 1, row 4, column 0"),
        (np.full((9, 2), 1e300), "18 NaN or infinite"),
        (np.zeros((9, 2), dtype=complex), "real numbers"),
        (np.array([["a", "b"]] * 9), "real numbers"),
    ],
)
def test_wrong_array_is_refused(windowed, tmp_path, array, reason):
    with pytest.raises(InputError, match=reason):
        read_contexts(windowed, saved(tmp_path / "c.npy", array), horizon=3)


def test_pickled_array_is_refused(windowed, tmp_path):
    path = tmp_path / "c.npy"
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"not a plain .npy"):
        read_contexts(windowed, path, horizon=3)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("c.npy", "hello", "not a plain .npy"),
        ("c.txt", "1,2", "neither .npy nor .csv"),
        ("c.csv", "", "is empty"),
        ("c.csv", "a,b\n1,2\n3\n", "data row 2 has 1 cells, want 2"),
        ("c.csv", "a,b\n1,2\n3,x\n", "data row 2, b: 'x' is not a number"),
        ("c.csv", "a,b\n1,2\n3,nan\n", "the first at data row 2, b"),
    ],
)
def test_wrong_text_is_refused(windowed, tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=reason):
        read_contexts(windowed, tmp_path / name, horizon=3)


def test_missing_file_is_refused(windowed, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_contexts(windowed, tmp_path / "c.npy", horizon=3)


def test_exog_must_match_the_model(windowed, with_exog, tmp_path):
    path = saved(tmp_path / "c.npy", np.zeros((9, 2)))
    with pytest.raises(InputError, match="add --exog"):
        read_contexts(with_exog, path, horizon=3)
    with pytest.raises(InputError, match="drop --exog"):
        read_contexts(windowed, path, exog_path=path, horizon=3)
    with pytest.raises(InputError, match="give --context"):
        free_running_contexts(with_exog)


def test_free_run_gives_windows_of_the_models_own_rollout(recurrent):
    contexts = free_running_contexts(recurrent, rows=6, count=4)
    again = free_running_contexts(recurrent, rows=6, count=4)
    assert contexts.values.shape == (4, 6, 2) and contexts.values.dtype == np.float32
    np.testing.assert_array_equal(contexts.values, again.values)
    assert "free-running" in contexts.origin and "seed 0" in contexts.origin


def test_free_run_of_a_windowed_model_has_its_window(windowed):
    assert free_running_contexts(windowed, count=2).values.shape == (2, 5, 2)


def test_diverging_free_run_is_reported(windowed):
    graph = windowed.graph
    huge = {path: np.full_like(value, 1e6) for path, value in graph.constants.items()}
    model = dataclasses.replace(windowed, graph=dataclasses.replace(graph, constants=huge))
    with pytest.raises(NonFiniteRollout, match="NaN or infinity at step"):
        free_running_contexts(model, count=2)


def test_planning_and_judging_halves_share_nothing():
    values = np.arange(10, dtype=np.float32).reshape(5, 2, 1)
    planning, judging = split_contexts(Contexts(values, values, "five"))
    assert len(planning.values) == 2 and len(judging.values) == 3
    np.testing.assert_array_equal(np.concatenate([planning.values, judging.values]), values)
    assert judging.exog is not None and len(judging.exog) == 3
    assert planning.origin == "five (planning half)"


def test_one_context_cannot_be_split():
    with pytest.raises(InputError, match="at least 2 contexts"):
        split_contexts(Contexts(np.zeros((1, 2, 1), np.float32), None, "one"))


def test_zeros_come_before_a_window_whose_first_moments_have_exogenous_rows(tmp_path):
    streamed = streaming_form(all_known(6, 2))  # reads exogenous rows of 8 moments
    values, known = np.ones((2, 6, 1)), np.arange(40.0).reshape(2, 10, 2)
    contexts = read_contexts(
        streamed,
        saved(tmp_path / "c.npy", values),
        horizon=4,
        exog_path=saved(tmp_path / "k.npy", known),
    )
    assert contexts.values.shape == (2, 8, 1) and not contexts.values[:, :2].any()
    assert contexts.exog.shape == (2, 5, 4)
    assert contexts.exog[0].tolist() == known[0].reshape(5, 4).tolist()
    with pytest.raises(InputError, match="5 rows, want 6 or more"):
        read_contexts(
            streamed,
            saved(tmp_path / "c.npy", values[:, 1:]),
            horizon=4,
            exog_path=tmp_path / "k.npy",
        )
