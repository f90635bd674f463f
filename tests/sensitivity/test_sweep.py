"""Sweeps on any executor, and again after an interruption: the same result bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.sensitivity import sweep, tasks
from tqs_edge.sensitivity.score import SensitivityReport, score

MODEL = gru_graph(1, hidden=8)
CONTEXTS = gru_contexts(MODEL, 4)
HORIZON = 15


def scored(**options: Any) -> SensitivityReport:
    return score(MODEL, CONTEXTS, HORIZON, **options)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "BATCH_BYTES", 1 << 15)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tasks.Task]:
    """The tasks that are computed, in order."""
    seen: list[tasks.Task] = []

    def counted(whole: tasks.Sweep, task: tasks.Task, clean: tasks.Clean | None):
        seen.append(task)
        return tasks.run_task(whole, task, clean)

    monkeypatch.setattr(sweep, "run_task", counted)
    return seen


def test_threads_give_the_serial_result(runs: list[tasks.Task]) -> None:
    serial = scored()
    assert len(runs) > 3
    with ThreadPoolExecutor(3) as pool:
        assert scored(executor=pool) == serial


def test_processes_give_the_serial_result() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert scored(executor=pool) == scored()


def test_dask_gives_the_serial_result() -> None:
    distributed = pytest.importorskip("distributed", reason="pip: distributed")
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with (
        distributed.LocalCluster(dashboard_address=None, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert scored(executor=client.get_executor()) == scored()


def test_the_caller_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    scored()
    assert torch.get_num_threads() == before


@pytest.fixture
def half_done(tmp_path: Path) -> Path:
    """A folder with what an interrupted sweep had finished: three tasks."""
    folder, left = tmp_path / "sweep", iter(range(3))

    def until_interrupted(whole: tasks.Sweep, task: tasks.Task, clean: tasks.Clean | None):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return tasks.run_task(whole, task, clean)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sweep, "run_task", until_interrupted)
        scored(resume=folder)
    assert len(list(folder.iterdir())) == 3
    return folder


def test_an_interrupted_sweep_goes_on(half_done: Path, runs: list[tasks.Task]) -> None:
    serial = scored()
    every = len(runs)
    assert scored(resume=half_done) == serial
    assert len(runs) == every + every - 3
    assert scored(resume=half_done) == serial
    assert len(runs) == every + every - 3


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[::-1]])
def test_damaged_results_are_computed_again(
    half_done: Path, runs: list[tasks.Task], damage: Callable[[bytes], bytes]
) -> None:
    file = min(half_done.iterdir())
    file.write_bytes(damage(file.read_bytes()))
    found = scored(resume=half_done)
    redone = len(runs)
    assert found == scored()
    assert len(runs) - redone == redone + 2


def test_results_of_another_shape_are_computed_again(half_done: Path) -> None:
    for file in half_done.iterdir():
        np.savez(file, squares=np.zeros((1, 2, 3)))
    assert scored(resume=half_done) == scored()


@pytest.mark.parametrize(
    "other",
    [
        lambda folder: scored(seed=1, resume=folder),
        lambda folder: scored(probes=3, resume=folder),
        lambda folder: score(MODEL, CONTEXTS, HORIZON + 1, resume=folder),
        lambda folder: score(MODEL, CONTEXTS + np.float32(0.1), HORIZON, resume=folder),
        lambda folder: score(gru_graph(2, hidden=8), CONTEXTS, HORIZON, resume=folder),
    ],
    ids=["seed", "probes", "horizon", "contexts", "weights"],
)
def test_results_of_another_sweep_are_not_used(
    half_done: Path, tmp_path: Path, other: Callable[[Path], SensitivityReport]
) -> None:
    assert other(half_done) == other(tmp_path / "fresh")


def test_progress_counts_sites() -> None:
    seen: list[tuple[int, int]] = []
    report = scored(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(report.sites), len(report.sites))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
