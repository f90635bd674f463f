"""Batches change the time that scoring takes, not what it finds."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from tests.bench.conftest import HORIZON, PROBES
from tqs_edge.bench.scores import probe_one_by_one, score_site_by_site, time_scoring
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.prepare import Prepared


def test_site_by_site_gives_the_same_gains(small: Prepared, small_scores: Scores) -> None:
    batched = [entry.gain for entry in small_scores.report.sites]
    np.testing.assert_allclose(score_site_by_site(small, small_scores), batched, rtol=1e-9)


def test_single_probes_give_similar_gains(small: Prepared, small_scores: Scores) -> None:
    batched = np.array([entry.gain for entry in small_scores.report.sites])
    single = np.array(probe_one_by_one(small, small_scores))
    assert np.corrcoef(np.log(batched), np.log(single))[0, 1] > 0.9


@pytest.mark.arm
@pytest.mark.unicorn
def test_timing_names_what_was_timed(small: Prepared) -> None:
    seen: list[tuple[int, int]] = []
    timing = time_scoring(
        small,
        load_board("mps2-an386"),
        find_toolchain("gcc"),
        probes=PROBES,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (timing.sites, timing.sites)
    assert (timing.probes, timing.horizon) == (PROBES, HORIZON)
    assert timing.total_seconds == timing.score_seconds + timing.compile_seconds
    assert all(v > 0 for k, v in asdict(timing).items() if k.endswith("_seconds"))
    assert 0.5 < timing.spearman <= 1.0
