"""Disturbances of single sites, reproducible site by site whatever the batching.

The probes of a site are followed by its check: the first probe once more, CHECK times as large.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from zlib import crc32

import numpy as np
import torch

from tqs_edge.backends.protocol import WeightChange
from tqs_edge.graph.evaluate import Tap
from tqs_edge.sensitivity.sites import Site

# Smaller and of opposite sign: curvature of even and of odd order shows in the gain.
CHECK = -0.25
DRAWN_STEPS = 64  # of noise at a time


def site_rng(seed: int, site: Site) -> np.random.Generator:
    """A generator of the site's own, so that other sites cannot change its probes."""
    return np.random.default_rng([seed, crc32(site.id.encode())])


def weight_change(
    site: Site, depth: int, norm: float, *, probes: int, seed: int, first: int
) -> WeightChange:
    """Errors of Frobenius norm `norm` of a weight block, for variants [first, first + probes + 1).

    Directions are uniform on the sphere and orthogonal to each other, as far as there are that
    many: a site of `probes` numbers or fewer is then measured in a whole basis, and the mean over
    it is exact. No two are opposite: a linear response to -d is that to d, and says nothing new.
    """
    rows = site.end - site.begin
    found = _directions(site_rng(seed, site), probes, rows * depth).reshape(probes, rows, depth)
    delta = norm * torch.cat([found, CHECK * found[:1]])
    return WeightChange(site.tensor, site.begin, first, delta)


def _directions(rng: np.random.Generator, count: int, size: int) -> torch.Tensor:
    """Unit vectors (count, size), float64, orthonormal in groups of `size`."""
    groups = []
    for begin in range(0, count, size):
        normal = rng.standard_normal((size, min(size, count - begin)))
        # Normal vectors made orthogonal: their signs do not matter to a squared response.
        groups.append(torch.linalg.qr(torch.from_numpy(normal)).Q.T)
    return torch.cat(groups)


def noise_tap(
    disturbed: Sequence[tuple[Site, str, float, int]],
    shapes: Mapping[str, Sequence[int]],
    *,
    probes: int,
    seed: int,
) -> Tap | None:
    """Adds uniform noise of half an LSB, new at every step, to activations and states.

    disturbed: (site, tensor that the tap sees, LSB, first of its probes + 1 variants). Tensors are
    (variants, 1, *shape).
    """
    added: dict[str, list[tuple[int, Iterator[torch.Tensor]]]] = {}
    for site, name, lsb, first in disturbed:
        draws = noise_draws(site, lsb, shapes[name], probes=probes, seed=seed)
        added.setdefault(name, []).append((first, draws))
    if not added:
        return None

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        if name not in added:
            return value
        value = value.clone()
        for first, draws in added[name]:
            value.narrow(0, first, probes + 1).add_(next(draws).to(value.dtype))
        return value

    return tap


def noise_draws(
    site: Site, lsb: float, shape: Sequence[int], *, probes: int, seed: int
) -> Iterator[torch.Tensor]:
    """Uniform noise within half an LSB (probes + 1, 1, *shape), of one step after the other."""
    rng, bound = site_rng(seed, site), 0.5 * lsb
    while True:
        drawn = torch.from_numpy(rng.uniform(-bound, bound, (DRAWN_STEPS, probes, 1, *shape)))
        yield from torch.cat([drawn, CHECK * drawn[:, :1]], dim=1)
