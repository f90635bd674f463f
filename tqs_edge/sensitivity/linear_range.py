"""Probes small enough that the rollout answers in proportion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tqs_edge.errors import NonFiniteRollout
from tqs_edge.quant.scheme import scale_for_range
from tqs_edge.sensitivity.batch import CleanRollouts
from tqs_edge.sensitivity.probes import probe_noise, probe_weights
from tqs_edge.sensitivity.residual import noise_energy
from tqs_edge.sensitivity.sites import Site, SiteKind

WEIGHT_SIZE = 2.0**-8  # ||Delta|| / ||W||: about what 8 bits leave behind
NOISE_BITS = 10  # width whose LSB is the first noise probe
SHRINK = 0.25
ROUNDS = 10
TOLERANCE = 0.05  # relative change of the gain that counts as none
PILOT_PROBES = 4


@dataclass(frozen=True, eq=False)
class Disturbance:
    """delta^2 (probes, N, T) of one site at a probe size, and ||Delta||^2 as `energy`."""

    divergence: np.ndarray
    energy: float
    size: float
    linear: bool


def linear_range(
    clean: CleanRollouts,
    sites: Sequence[Site],
    ranges: Mapping[str, float],
    probes: int,
    seed: int,
    tell: Callable[[int, int], None],
) -> list[Disturbance]:
    """Disturbances of all sites, each shrunk until its gain stops changing.

    A few pilot probes, the same at every size, decide the size; then all probes run. Raises
    NonFiniteRollout naming site and step when even the smallest probe overflows.
    """
    factor = np.ones(len(sites))
    linear = np.zeros(len(sites), bool)
    pilots = min(PILOT_PROBES, probes)
    gain = _pilot_gains(clean, sites, ranges, factor, pilots, seed)
    for _ in range(ROUNDS):
        open_sites = np.flatnonzero(~linear)
        if not len(open_sites):
            break
        factor[open_sites] *= SHRINK
        chosen = [sites[i] for i in open_sites.tolist()]
        smaller = _pilot_gains(clean, chosen, ranges, factor[open_sites], pilots, seed)
        linear[open_sites] = np.isclose(smaller, gain[open_sites], rtol=TOLERANCE, atol=0.0)
        gain[open_sites] = smaller
    found = _disturb(clean, sites, ranges, factor, probes, seed, tell)
    for site, disturbance in zip(sites, found, strict=True):
        _check_finite(site, disturbance)
    return [
        Disturbance(d.divergence, d.energy, d.size, bool(settled))
        for d, settled in zip(found, linear, strict=True)
    ]


def _pilot_gains(
    clean: CleanRollouts,
    sites: Sequence[Site],
    ranges: Mapping[str, float],
    factor: np.ndarray,
    probes: int,
    seed: int,
) -> np.ndarray:
    found = _disturb(clean, sites, ranges, factor, probes, seed, lambda done, total: None)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.array([d.divergence.mean() / d.energy for d in found])


def _disturb(
    clean: CleanRollouts,
    sites: Sequence[Site],
    ranges: Mapping[str, float],
    factor: np.ndarray,
    probes: int,
    seed: int,
    tell: Callable[[int, int], None],
) -> list[Disturbance]:
    """All sites at their sizes, several sites to a batch."""
    found: list[Disturbance] = []
    for batch in _batches(sites, max(1, clean.batch_variants // probes)):
        members = [sites[i] for i in batch]
        if members[0].kind is SiteKind.WEIGHT:
            sizes = [WEIGHT_SIZE * factor[i] for i in batch]
            norms = [s * _norm(clean, m) for s, m in zip(sizes, members, strict=True)]
            error = probe_weights(clean, members, norms, probes, seed)
            energies = [norm * norm for norm in norms]
        else:
            sizes = [scale_for_range(1.0, NOISE_BITS) * factor[i] for i in batch]
            lsbs = [s * (ranges[m.tensor] or 1.0) for s, m in zip(sizes, members, strict=True)]
            error = probe_noise(clean, members, lsbs, probes, seed)
            energies = [noise_energy(b, m.elements) for b, m in zip(lsbs, members, strict=True)]
        found += [
            Disturbance(e, float(energy), float(size), False)
            for e, energy, size in zip(error, energies, sizes, strict=True)
        ]
        tell(len(found), len(sites))
    return found


def _batches(sites: Sequence[Site], most: int) -> list[list[int]]:
    """Indices of neighbouring sites that share a batch: blocks of one weight, or noise sites."""
    groups: list[list[int]] = []
    shared = [site.tensor if site.kind is SiteKind.WEIGHT else "" for site in sites]
    for i, key in enumerate(shared):
        if groups and len(groups[-1]) < most and shared[groups[-1][0]] == key:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _norm(clean: CleanRollouts, site: Site) -> float:
    """Frobenius norm of a weight block; of an all-zero block, that of unit weights."""
    block = clean.constants[site.tensor][site.begin : site.end]
    return float(block.square().sum().sqrt()) or float(np.sqrt(site.elements))


def _check_finite(site: Site, disturbance: Disturbance) -> None:
    finite = np.isfinite(disturbance.divergence).all(axis=(0, 1))
    if not finite.all():
        raise NonFiniteRollout(
            f"site '{site.id}': a disturbance of relative size {disturbance.size:.1e} makes the"
            f" rollout overflow at step {int(np.flatnonzero(~finite)[0])}; shorten the horizon"
        )
