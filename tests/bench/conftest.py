"""A small model with its rollouts and scores, shared by the benchmarks' tests."""

from __future__ import annotations

import pytest

from tests.cli import factories
from tqs_edge.pipeline.planning import Scores, score_sites
from tqs_edge.pipeline.prepare import Prepared, prepare

HORIZON, PROBES = 24, 4


@pytest.fixture(scope="session")
def small() -> Prepared:
    model, inputs = factories.small_gru()
    return prepare(model, example_inputs=inputs, horizon=HORIZON)


@pytest.fixture(scope="session")
def small_scores(small: Prepared) -> Scores:
    return score_sites(small, exact=True, probes=PROBES)
