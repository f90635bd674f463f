"""Probes small enough that the rollout answers in proportion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from tqs_edge.backends.protocol import StepBackend
from tqs_edge.errors import NonFiniteRollout
from tqs_edge.sensitivity.probes import CHECK
from tqs_edge.sensitivity.residual import noise_energy
from tqs_edge.sensitivity.sites import Site, SiteKind
from tqs_edge.sensitivity.statistics import mean_until, saturation_steps
from tqs_edge.sensitivity.sweep import Executor, Store, Tell, run_tasks
from tqs_edge.sensitivity.tasks import Clean, Sweep, split_tasks

# Sizes to try, ||Delta|| / ||W|| of a weight or LSB / range of noise: far above rounding and, in
# float64, so small that hardly any rollout bends within the first.
SIZES = {
    torch.float64: (2.0**-20, 2.0**-26, 2.0**-32),
    torch.float32: (2.0**-8, 2.0**-10, 2.0**-12),
}
TOLERANCE = 0.05  # relative change of the gain that counts as none


@dataclass(frozen=True, eq=False)
class Disturbances:
    """delta^2 (sites, probes, T) of all sites, each at its own size.

    energies (sites,): ||Delta||^2; sizes (sites,): relative; steps (sites,): those before the
    disturbance is as large as the signal; bends (sites,): relative change of the first probe's
    gain, up to there, when it is CHECK times as large
    """

    squares: np.ndarray
    energies: np.ndarray
    sizes: np.ndarray
    steps: np.ndarray
    bends: np.ndarray

    @property
    def linear(self) -> np.ndarray:
        """Whether the gain, up to saturation, does not depend on the size (sites,)."""
        return np.asarray(self.bends <= TOLERANCE)

    @property
    def settled(self) -> np.ndarray:
        """Whether a smaller size could tell nothing more (sites,)."""
        return np.asarray(self.linear & (self.steps == self.squares.shape[-1]))

    def replaced(self, which: np.ndarray, new: Disturbances) -> Disturbances:
        """These, with those of the sites `which` for which `new`, of them alone, has a better size.

        That is one that saturates later or, of equals, bends less.
        """
        steps, bends = self.steps[which], self.bends[which]
        better = (new.steps > steps) | ((new.steps == steps) & (new.bends < bends))
        arrays = {}
        for field in fields(self):
            arrays[field.name] = getattr(self, field.name).copy()
            arrays[field.name][which[better]] = getattr(new, field.name)[better]
        return Disturbances(**arrays)


def linear_range(
    sweep: Sweep,
    sites: Sequence[Site],
    ranges: Mapping[str, float],
    *,
    executor: Executor | None = None,
    store: Store | None = None,
    tell: Tell = lambda done, total: None,
) -> Disturbances:
    """The disturbances of all sites, each shrunk until it stays linear over the whole horizon.

    Of a site that never does, the size is taken that saturates last and, of those, bends least.
    `ranges` are largest magnitudes by tensor. Raises NonFiniteRollout naming site and step when
    even that overflows.
    """
    magnitudes = np.array([_magnitude(sweep.backend, site, ranges) for site in sites])
    clean: Clean | None = None
    found: Disturbances | None = None
    for size in SIZES[sweep.backend.dtype]:
        unsettled = np.arange(len(sites)) if found is None else np.flatnonzero(~found.settled)
        if not len(unsettled):
            break
        members = [sites[i] for i in unsettled.tolist()]
        amplitudes = size * magnitudes[unsettled]
        tasks = split_tasks(sweep, members, amplitudes, opens=clean is None)
        clean, results = run_tasks(sweep, tasks, clean, executor=executor, store=store, tell=tell)
        squares = np.concatenate([result.squares for result in results])
        new = _disturbances(members, amplitudes, size, squares)
        found = new if found is None else found.replaced(unsettled, new)
    assert found is not None
    _check_finite(sites, found)
    return found


def _magnitude(backend: StepBackend, site: Site, ranges: Mapping[str, float]) -> float:
    """Frobenius norm of a weight block, range of anything else; of zeros, as if they were ones."""
    if site.kind is not SiteKind.WEIGHT:
        return ranges[site.tensor] or 1.0
    block = backend.weights[site.tensor][site.begin : site.end].astype(np.float64)
    return float(np.sqrt(np.square(block).sum())) or float(np.sqrt(site.elements))


def _disturbances(
    sites: Sequence[Site], amplitudes: np.ndarray, size: float, squares: np.ndarray
) -> Disturbances:
    """From delta^2 (sites, probes + 1, T) with the check last."""
    energies = [
        amplitude**2 if site.kind is SiteKind.WEIGHT else noise_energy(amplitude, site.elements)
        for site, amplitude in zip(sites, amplitudes.tolist(), strict=True)
    ]
    probes = squares[:, :-1]
    steps = saturation_steps(probes)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        first = mean_until(probes[:, 0], steps)
        again = mean_until(squares[:, -1], steps) / CHECK**2
        bends = np.where(first == again, 0.0, np.abs(again / first - 1.0))
    return Disturbances(
        probes,
        np.array(energies),
        np.full(len(sites), size),
        steps,
        np.where(np.isnan(bends), np.inf, bends),
    )


def _check_finite(sites: Sequence[Site], found: Disturbances) -> None:
    finite = np.isfinite(found.squares).all(axis=1)
    for site, size, steps in zip(sites, found.sizes.tolist(), finite, strict=True):
        if not steps.all():
            raise NonFiniteRollout(
                f"site '{site.id}': a disturbance of relative size {size:.1e} makes the rollout"
                f" overflow at step {int(np.argmin(steps))}; shorten the horizon"
            )
