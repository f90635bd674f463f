"""Small models with their rollouts and scores, shared by the benchmarks' tests."""

from __future__ import annotations

import pytest

from tests.cli import factories
from tests.cli.conftest import models_load_once as models_load_once
from tqs_edge.bench.case import Case, make_case
from tqs_edge.firmware.board import load_board
from tqs_edge.pipeline.planning import Scores, score_sites
from tqs_edge.pipeline.prepare import Prepared, prepare

HORIZON, PROBES = 24, 4
BOARD = load_board("mps2-an386")


@pytest.fixture(scope="session")
def small() -> Prepared:
    model, inputs = factories.small_gru()
    return prepare(model, example_inputs=inputs, horizon=HORIZON)


@pytest.fixture(scope="session")
def small_scores(small: Prepared) -> Scores:
    return score_sites(small, exact=True, probes=PROBES)


@pytest.fixture(scope="session")
def small_case(small: Prepared, small_scores: Scores) -> Case:
    return make_case(small, small_scores, BOARD, seed=0)


@pytest.fixture(scope="session")
def windowed() -> Prepared:
    """Two weights of 12 and 4 rows: few enough choices to try them all."""
    model, inputs = factories.window()
    return prepare(model, example_inputs=inputs, horizon=HORIZON)


@pytest.fixture(scope="session")
def windowed_case(windowed: Prepared) -> Case:
    return make_case(windowed, score_sites(windowed, probes=PROBES), BOARD, seed=0)
