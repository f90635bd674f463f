"""Results of finished tasks on disk, each under a hash of everything that it depends on."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tqs_edge import __version__
from tqs_edge.artifacts import content_hash, write_bytes
from tqs_edge.sensitivity.tasks import Clean, Sweep, Task, TaskResult


@dataclass(frozen=True, eq=False)
class _Content:
    """What results depend on; `answer` (N, 1, F) is what the model itself makes of the contexts."""

    versions: tuple[str, ...]
    model: tuple[str, str, str]
    weights: dict[str, np.ndarray]
    answer: np.ndarray
    contexts: np.ndarray
    exog: np.ndarray | None
    horizon: int
    probes: int
    seed: int


@dataclass(frozen=True)
class _Name:
    sweep: str
    task: Task


def sweep_key(sweep: Sweep) -> str:
    """A hash of the model, the contexts and the settings."""
    backend = sweep.backend
    answer = backend.rollout(
        torch.from_numpy(sweep.contexts[None]).double(),
        1,
        exog=None if sweep.exog is None else torch.from_numpy(sweep.exog[None]).double(),
    )
    return content_hash(
        _Content(
            versions=(__version__, torch.__version__, np.__version__),
            model=(backend.name, backend.label, str(backend.dtype)),
            weights=dict(backend.weights),
            answer=np.asarray(answer[0]),
            contexts=sweep.contexts,
            exog=sweep.exog,
            horizon=sweep.horizon,
            probes=sweep.probes,
            seed=sweep.seed,
        )
    )


def task_key(sweep: str, task: Task) -> str:
    """The name under which the result of `task` is kept, from the key of its sweep."""
    return content_hash(_Name(sweep, task))


def save_result(store: Path, key: str, result: TaskResult) -> None:
    """Writes the result to `store`, whole or not at all. Raises InputError where it cannot."""
    arrays = {"squares": result.squares}
    if result.clean is not None:
        arrays |= {"frames": result.clean.frames, "std": result.clean.std}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_bytes(_path(store, key), buffer.getvalue())


def load_result(store: Path, key: str, sweep: Sweep, task: Task) -> TaskResult | None:
    """The stored result; None where there is none or it is damaged, to be computed anew."""
    try:
        data = io.BytesIO(_path(store, key).read_bytes())
        with np.load(data, allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    steps = sweep.horizon
    expected: dict[str, tuple[int, ...]] = {"squares": (len(task.sites), sweep.probes + 1, steps)}
    if task.opens:
        features = sweep.backend.features
        expected |= {"frames": (len(sweep.contexts), steps, features), "std": (features,)}
    if {name: array.shape for name, array in arrays.items()} != expected:
        return None
    clean = Clean(arrays["frames"], arrays["std"]) if task.opens else None
    return TaskResult(arrays["squares"], clean)


def _path(store: Path, key: str) -> Path:
    return store / f"{key}.npz"
