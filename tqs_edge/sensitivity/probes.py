"""Disturbances of single sites, reproducible site by site whatever the batching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from tqs_edge.sensitivity.batch import CleanRollouts, divergence
from tqs_edge.sensitivity.sites import Site, SiteKind

if TYPE_CHECKING:
    import torch


def site_rng(seed: int, site: Site) -> np.random.Generator:
    """A generator of the site's own, so that other sites cannot change its probes."""
    return np.random.default_rng([seed, crc32(site.id.encode())])


def probe_weights(
    clean: CleanRollouts, sites: Sequence[Site], norms: Sequence[float], probes: int, seed: int
) -> np.ndarray:
    """delta^2 (sites, probes, N, T) of Gaussian weight errors of given Frobenius norm.

    The sites are blocks of one weight. An error is held for the whole rollout.
    """
    import torch

    path = sites[0].tensor
    weight = clean.constants[path]
    variants = weight.expand(len(sites) * probes, *weight.shape).clone()
    for i, (site, norm) in enumerate(zip(sites, norms, strict=True)):
        rows = slice(site.begin, site.end)
        noise = site_rng(seed, site).standard_normal((probes, *weight[rows].shape))
        noise *= norm / np.sqrt((noise**2).sum(axis=(1, 2), keepdims=True))
        variants[i * probes : (i + 1) * probes, rows] += torch.from_numpy(noise).to(weight.dtype)
    return _squared(divergence(clean, len(variants), {path: variants}), len(sites))


def probe_noise(
    clean: CleanRollouts, sites: Sequence[Site], lsbs: Sequence[float], probes: int, seed: int
) -> np.ndarray:
    """delta^2 (sites, probes, N, T) of uniform noise of half an LSB at activations and states.

    The noise is new at every step and different in every context.
    """
    import torch

    noise: dict[str, list[tuple[slice, np.random.Generator, float]]] = {}
    for i, (site, lsb) in enumerate(zip(sites, lsbs, strict=True)):
        name = clean.views[site.tensor] if site.kind is SiteKind.ACTIVATION else site.tensor
        variants = slice(i * probes, (i + 1) * probes)
        noise.setdefault(name, []).append((variants, site_rng(seed, site), 0.5 * lsb))

    def tap(tensor: str, value: torch.Tensor) -> torch.Tensor:
        if tensor not in noise:
            return value
        value = value.clone()
        for variants, rng, bound in noise[tensor]:
            draw = rng.uniform(-bound, bound, tuple(value[variants].shape))
            value[variants] += torch.from_numpy(draw).to(value.dtype)
        return value

    return _squared(divergence(clean, len(sites) * probes, {}, tap), len(sites))


def _squared(difference: torch.Tensor, sites: int) -> np.ndarray:
    """delta^2 (sites, probes, N, T): the mean square over features."""
    squares = difference.square().mean(dim=-1).double().numpy()
    return squares.reshape(sites, -1, *squares.shape[1:])
