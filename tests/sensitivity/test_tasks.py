"""Tasks are of bounded memory, and a sweep that cannot fit is refused before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.backends.graph_backend import graph_backend
from tqs_edge.errors import InputError
from tqs_edge.sensitivity import memory, tasks
from tqs_edge.sensitivity.score import score
from tqs_edge.sensitivity.sites import list_sites
from tqs_edge.sensitivity.tasks import Sweep, change_bytes, split_tasks, variant_bytes

MODEL = gru_graph(0, hidden=16)
BACKEND = graph_backend(MODEL)
SITES = list_sites(MODEL.graph)


def sweep(contexts: int = 6, probes: int = 4, seed: int = 0, horizon: int = 20) -> Sweep:
    return Sweep(BACKEND, gru_contexts(MODEL, contexts), None, horizon, probes, seed)


@given(limit=st.integers(1, 1 << 21), opens=st.booleans())
@settings(max_examples=30, deadline=None)
def test_tasks_hold_every_site_once_and_in_order(limit: int, opens: bool) -> None:
    whole = sweep()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "BATCH_BYTES", limit)
        found = split_tasks(whole, SITES, np.arange(len(SITES), dtype=float), opens=opens)
    assert [site for task in found for site in task.sites] == list(SITES)
    assert [a for task in found for a in task.amplitudes] == list(range(len(SITES)))
    assert [task.opens for task in found] == [opens] + [False] * (len(found) - 1)
    for task in found:
        variants = len(task.sites) * 5 + task.opens * 6
        needed = variants * (variant_bytes(whole) + change_bytes(BACKEND, task.sites))
        assert len(task.sites) == 1 or needed <= limit


@given(contexts=st.integers(1, 12), probes=st.integers(2, 30), seed=st.integers(0, 99))
@settings(deadline=None)
def test_probes_use_contexts_evenly(contexts: int, probes: int, seed: int) -> None:
    *chosen, check = sweep(contexts, probes, seed).probe_contexts.tolist()
    assert check == chosen[0]
    counts = np.bincount(chosen, minlength=contexts)
    assert counts.max() - counts.min() <= 1
    if probes < contexts:
        gaps = np.diff([*sorted(chosen), min(chosen) + contexts])
        assert gaps.max() - gaps.min() <= 1


def test_seeds_start_at_different_contexts() -> None:
    assert {sweep(seed=s, probes=2).probe_contexts[0] for s in range(40)} == set(range(6))


class Copying:
    """A back end that is not the graph, to be charged for copies of weights."""

    weights = BACKEND.weights
    tensors = BACKEND.tensors
    features = BACKEND.features


def test_black_boxes_pay_for_the_weights_that_change() -> None:
    one = [site for site in SITES if site.tensor == "cell.weight_hh"]
    two = [*one, *(site for site in SITES if site.tensor == "head.weight")]
    assert change_bytes(Copying(), one) == 8 * 48 * 16
    assert change_bytes(Copying(), two) == 8 * (48 * 16 + 4 * 16)
    assert change_bytes(BACKEND, two) == 8 * 4 * 16


def test_a_sweep_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    ran: list[str] = []
    monkeypatch.setattr(tasks, "run_task", lambda *args: ran.append("task"))
    with pytest.raises(InputError, match=r"takes about .* GB, and 1\.0 GB are available; shorten"):
        score(MODEL, gru_contexts(MODEL, 6), 2_000_000)
    assert not ran


def test_needed_memory_grows_with_what_the_message_names() -> None:
    base = memory.needed_bytes(sweep(horizon=10**6), SITES)
    for more in (
        replace(sweep(), horizon=2 * 10**6),
        sweep(contexts=12, horizon=10**6),
        sweep(probes=8, horizon=10**6),
    ):
        assert memory.needed_bytes(more, SITES) > 1.2 * base
    assert memory.needed_bytes(sweep(horizon=10**6), SITES, batches=2) > 1.2 * base


def test_available_memory_is_known_with_and_without_proc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   7 kB\n")
    monkeypatch.setattr(memory, "MEMORY_FILE", tmp_path / "meminfo")
    assert memory.available_bytes() == 7 * 1024
    monkeypatch.setattr(memory, "MEMORY_FILE", tmp_path / "none")
    total = memory.available_bytes()
    assert total is None or total > 1 << 20
