"""Scores of the planning rollouts."""

from __future__ import annotations

from tqs_edge.pipeline.planning import LEAST_CONTEXTS, score_sites
from tqs_edge.pipeline.prepare import prepare


def test_measuring_takes_fewer_contexts_where_all_would_take_too_long() -> None:
    prepared = prepare("zoo:sst-ssm", horizon=8)
    every = score_sites(prepared, probes=2).table
    few = score_sites(prepared, probes=2, most_work=1.0).table
    assert every is not None and few is not None
    assert every.contexts == len(prepared.planning.contexts) > LEAST_CONTEXTS
    assert few.contexts == LEAST_CONTEXTS
    assert few.measured().keys() == every.measured().keys()
