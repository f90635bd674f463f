"""Batches change the time that scoring takes, not what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from inspect import signature

import numpy as np
import pytest

from tests.bench.conftest import HORIZON, PROBES
from tqs_edge.bench.plain_loop import probe_one_by_one
from tqs_edge.bench.scores import time_scoring
from tqs_edge.cli import bench, measure
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.sensitivity.score import PROBES as PROBES_OF_A_SCORE


def test_the_plain_loop_gives_the_same_gains(small: Prepared, small_scores: Scores) -> None:
    batched = [entry.gain for entry in small_scores.report.sites]
    plain = probe_one_by_one(small, small_scores.report)
    np.testing.assert_allclose(plain, batched, rtol=1e-6)


@pytest.mark.parametrize("command", [bench.score, measure.score])
def test_the_command_line_has_the_default_probes(command: Callable[..., None]) -> None:
    assert signature(command).parameters["probes"].default == PROBES_OF_A_SCORE


@pytest.mark.slow
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
    assert timing.speedup == timing.plain_loop_seconds / timing.score_seconds
    assert timing.exact_share == timing.score_seconds / timing.exact_seconds
    assert timing.score_rollouts == timing.contexts + timing.sites * (PROBES + 1)
    assert all(v > 0 for k, v in asdict(timing).items() if k.endswith("_seconds"))
    assert 0.5 < timing.spearman <= 1.0
