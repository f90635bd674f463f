"""One pass of a sweep: some sites disturbed in one batch of rollouts. Tasks are independent.

Probe k of every site runs on one context, the same for all sites: directions of a disturbance
differ more than contexts do, so a rollout is better spent on a new direction than on an old one in
another context, and what a context does to all sites alike leaves their ranking alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from tqs_edge.backends.graph_backend import GraphBackend
from tqs_edge.backends.protocol import StepBackend
from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.graph.dense_views import view_name
from tqs_edge.sensitivity.probes import noise_tap, weight_change
from tqs_edge.sensitivity.sites import Site, SiteKind

BATCH_BYTES = 1 << 24  # of one batch: below, calls cost more than work; above, caches overflow
NUMBER_BYTES = 8


@dataclass(frozen=True, eq=False)
class Sweep:
    """What all tasks share. Pickles where its back end does.

    contexts (N, rows, F), exog (N, calls, E) or None; probes: for each site
    """

    backend: StepBackend
    contexts: np.ndarray
    exog: np.ndarray | None
    horizon: int
    probes: int
    seed: int

    @property
    def probe_contexts(self) -> np.ndarray:
        """Indices (probes + 1,) of the contexts of the probes and, last, of the check.

        Spread evenly from a start that the seed draws, so that over seeds all are alike.
        """
        count = len(self.contexts)
        start = np.random.default_rng(self.seed).integers(count)
        spread = (start + np.arange(self.probes) * count // self.probes) % count
        return np.append(spread, spread[0])


@dataclass(frozen=True)
class Task:
    """Sites and how large their disturbances are: Frobenius norm of a weight error, LSB of noise.

    opens: the first task of a sweep also rolls the clean rollouts out
    """

    sites: tuple[Site, ...]
    amplitudes: tuple[float, ...]
    opens: bool


@dataclass(frozen=True, eq=False)
class Clean:
    """The undisturbed rollouts: frames (N, T, F), and their spread std (F,)."""

    frames: np.ndarray
    std: np.ndarray


@dataclass(frozen=True, eq=False)
class TaskResult:
    """delta^2 (sites, probes + 1, T), the check last; `clean` from the first task."""

    squares: np.ndarray
    clean: Clean | None


def variant_bytes(sweep: Sweep) -> int:
    """Memory of one rollout in a batch: a step's tensors, frames, differences and squares."""
    numbers = sum(prod(shape) for shape in sweep.backend.tensors.values())
    return NUMBER_BYTES * (numbers + 3 * sweep.horizon * sweep.backend.features)


def change_bytes(backend: StepBackend, sites: Sequence[Site]) -> int:
    """Memory of changed weights in every rollout of a batch in which `sites` change.

    A black box holds a copy of every weight of which a row changes, the graph the changed rows.
    """
    members = [site for site in sites if site.kind is SiteKind.WEIGHT]
    if isinstance(backend, GraphBackend):
        return NUMBER_BYTES * max((site.elements for site in members), default=0)
    sizes = {site.tensor: backend.weights[site.tensor].size for site in members}
    return NUMBER_BYTES * sum(sizes.values())


def split_tasks(
    sweep: Sweep, sites: Sequence[Site], amplitudes: np.ndarray, *, opens: bool
) -> tuple[Task, ...]:
    """Neighbouring sites that share a batch of bounded memory; one site at least."""
    rollout = variant_bytes(sweep)
    tasks: list[Task] = []
    begin = 0
    for end in range(1, len(sites) + 1):
        first = opens and not tasks
        more = sites[begin : end + 1]
        variants = len(more) * (sweep.probes + 1) + first * len(sweep.contexts)
        full = variants * (rollout + change_bytes(sweep.backend, more)) > BATCH_BYTES
        if full or end == len(sites):
            tasks.append(
                Task(tuple(sites[begin:end]), tuple(amplitudes[begin:end].tolist()), first)
            )
            begin = end
    return tuple(tasks)


def run_task(sweep: Sweep, task: Task, clean: Clean | None) -> TaskResult:
    """The disturbed rollouts of a task against the clean ones, in units of their spread.

    Raises NonFiniteRollout and InputError where the clean rollouts are of no use; disturbed ones
    may be infinite or NaN.
    """
    if torch.get_num_threads() != 1:  # other threads or processes run other tasks
        torch.set_num_threads(1)
    own = len(sweep.contexts) if task.opens else 0
    chosen = np.concatenate([np.arange(own), np.tile(sweep.probe_contexts, len(task.sites))])
    frames = _disturbed_frames(sweep, task, chosen, own)
    if task.opens:
        clean = checked_clean(frames[:own].copy())
    assert clean is not None
    disturbed = frames[own:].reshape(len(task.sites), sweep.probes + 1, *frames.shape[1:])
    with np.errstate(invalid="ignore", over="ignore"):
        difference = (disturbed - clean.frames[sweep.probe_contexts]) / clean.std
        squares = np.square(difference, out=difference).mean(axis=-1)
    return TaskResult(squares, clean if task.opens else None)


def _disturbed_frames(sweep: Sweep, task: Task, chosen: np.ndarray, first: int) -> np.ndarray:
    """Frames (V, T, F) of rollouts from the contexts `chosen` (V,), disturbed from `first` on."""
    backend, probes, seed = sweep.backend, sweep.probes, sweep.seed
    changes, noisy = [], []
    for site, amplitude in zip(task.sites, task.amplitudes, strict=True):
        if site.kind is SiteKind.WEIGHT:
            depth = backend.weights[site.tensor].shape[1]
            changes.append(
                weight_change(site, depth, amplitude, probes=probes, seed=seed, first=first)
            )
        else:
            noisy.append((site, tapped_tensor(backend, site), amplitude, first))
        first += probes + 1
    tap = noise_tap(noisy, backend.tensors, probes=probes, seed=seed)
    frames = backend.rollout(
        torch.from_numpy(sweep.contexts[chosen, None]).double(),
        sweep.horizon,
        exog=None if sweep.exog is None else torch.from_numpy(sweep.exog[chosen, None]).double(),
        changes=changes,
        tap=tap,
    )
    return np.asarray(frames[:, 0])


def tapped_tensor(backend: StepBackend, site: Site) -> str:
    """The tensor to disturb: what dense nodes see of an activation, where the back end shows it."""
    view = view_name(site.tensor)
    return view if site.kind is SiteKind.ACTIVATION and view in backend.tensors else site.tensor


def checked_clean(frames: np.ndarray) -> Clean:
    """Clean rollouts (N, T, F) fit to compare with. Raises NonFiniteRollout, InputError."""
    finite = np.isfinite(frames).all(axis=(0, 2))
    if not finite.all():
        raise NonFiniteRollout(
            f"the float rollout is not finite at step {int(np.argmin(finite))}; check the context"
            " windows or shorten the horizon"
        )
    std = frames.reshape(-1, frames.shape[-1]).std(axis=0)
    constant = np.flatnonzero(std <= 1e-9)
    if len(constant):
        raise InputError(
            f"output feature {constant[0]} does not vary over the clean rollouts, so errors cannot"
            " be put in units of its spread; give more or more varied context windows"
        )
    return Clean(frames, std)
