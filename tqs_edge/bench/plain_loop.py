"""Scoring as a plain program does it: one site, one probe, one rollout after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import torch

from tqs_edge.backends.graph_backend import GraphBackend, graph_backend
from tqs_edge.graph.evaluate import Tap
from tqs_edge.graph.rollout import calls_of, rollout
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.sensitivity.probes import noise_draws, weight_change
from tqs_edge.sensitivity.residual import noise_energy
from tqs_edge.sensitivity.score import SensitivityReport, SiteScore
from tqs_edge.sensitivity.sites import SiteKind
from tqs_edge.sensitivity.tasks import Sweep, tapped_tensor

Disturbance = tuple[dict[str, torch.Tensor], Tap | None]


def probe_one_by_one(
    prepared: Prepared,
    report: SensitivityReport,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[float, ...]:
    """The gains of `report` from the same probes and checks, in the same contexts and precision.

    Each is a rollout of its own through `graph.rollout`, a changed weight a copy of the whole.
    """
    trials = prepared.planning
    backend = graph_backend(prepared.model)
    sweep = Sweep(
        backend, trials.contexts, trials.exog, prepared.horizon, report.probes, report.seed
    )
    clean = [_frames(sweep, backend, i) for i in range(len(trials.contexts))]
    std = torch.cat(clean).std(dim=0, unbiased=False)
    gains = []
    for done, entry in enumerate(report.sites, start=1):
        disturbances, energy = _disturbances(prepared, sweep, entry)
        squares = [
            ((_frames(sweep, backend, context, *disturbance) - clean[context]) / std).square()
            for context, disturbance in zip(
                sweep.probe_contexts.tolist(), disturbances, strict=True
            )
        ]
        relative = torch.stack(squares[:-1])[:, : report.steps] / energy  # the last is the check
        gains.append(float(relative.mean()))
        progress(done, len(report.sites))
    return tuple(gains)


def _disturbances(
    prepared: Prepared, sweep: Sweep, entry: SiteScore
) -> tuple[list[Disturbance], float]:
    """(replaced weights, tap) of every probe and of the check, and ||Delta||^2."""
    site, backend = entry.site, sweep.backend
    if site.kind is SiteKind.WEIGHT:
        weight = torch.from_numpy(backend.weights[site.tensor]).double()
        norm = entry.size * (float(weight[site.begin : site.end].norm()) or site.elements**0.5)
        changes = weight_change(
            site, weight.shape[1], norm, probes=sweep.probes, seed=sweep.seed, first=0
        )
        replaced: list[Disturbance] = []
        for delta in changes.delta:
            changed = weight.clone()
            changed[site.begin : site.end] += delta
            replaced.append(({site.tensor: changed}, None))
        return replaced, norm**2
    lsb = entry.size * (prepared.ranges[site.tensor] or 1.0)
    name = tapped_tensor(backend, site)
    calls = calls_of(prepared.model, sweep.contexts.shape[1], sweep.horizon)
    draws = noise_draws(site, lsb, backend.tensors[name], probes=sweep.probes, seed=sweep.seed)
    noise = torch.stack(list(islice(draws, calls)), dim=1)[:, :, 0]
    return [({}, _adding_tap(name, own)) for own in noise], noise_energy(lsb, site.elements)


def _adding_tap(name: str, noise: torch.Tensor) -> Tap:
    """Adds noise (calls, *shape) to one tensor, a row at every call."""
    rows = iter(noise)
    return lambda tensor, value: value + next(rows) if tensor == name else value


def _frames(
    sweep: Sweep,
    backend: GraphBackend,
    context: int,
    replaced: dict[str, torch.Tensor] | None = None,
    tap: Tap | None = None,
) -> torch.Tensor:
    """Frames (T, F) of one rollout."""
    weights = {**backend.constants, **(replaced or {})}
    exog = None if sweep.exog is None else torch.from_numpy(sweep.exog[context]).double()
    with torch.no_grad():
        return rollout(
            replace(backend.model, graph=backend.graph),
            torch.from_numpy(sweep.contexts[context]).double(),
            sweep.horizon,
            exog=exog,
            weight=weights.__getitem__,
            tap=tap,
        )
