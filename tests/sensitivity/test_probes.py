"""What disturbs a site."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tqs_edge.sensitivity.probes import CHECK, noise_draws, noise_tap, weight_change
from tqs_edge.sensitivity.sites import Site, SiteKind

counts = st.integers(1, 9)


def weight_site(begin: int, end: int, depth: int) -> Site:
    name = f"w[{begin}:{end}]"
    return Site(name, SiteKind.WEIGHT, "w", begin, end, (end - begin) * depth, (2, 4, 8, 16))


@settings(deadline=None)
@given(rows=counts, depth=counts, probes=st.integers(2, 12), norm=st.floats(1e-6, 1e3))
def test_directions_are_orthogonal_as_far_as_there_are_that_many(
    rows: int, depth: int, probes: int, norm: float
) -> None:
    change = weight_change(
        weight_site(3, 3 + rows, depth), depth, norm, probes=probes, seed=1, first=5
    )
    assert (change.begin, change.first) == (3, 5)
    assert change.delta.shape == (probes + 1, rows, depth)
    vectors = change.delta[:probes].reshape(probes, -1) / norm
    for begin in range(0, probes, rows * depth):
        group = vectors[begin : begin + rows * depth]
        torch.testing.assert_close(group @ group.T, torch.eye(len(group)).double())
    torch.testing.assert_close(change.delta[-1], CHECK * change.delta[0])


def test_probes_belong_to_their_site_and_seed() -> None:
    def deltas(site: Site, seed: int) -> torch.Tensor:
        return weight_change(site, 6, 1.0, probes=3, seed=seed, first=0).delta

    block = weight_site(0, 2, 6)
    assert torch.equal(deltas(block, 0), deltas(block, 0))
    assert not torch.allclose(deltas(block, 0), deltas(block, 1))
    assert not torch.allclose(deltas(block, 0), deltas(weight_site(2, 4, 6), 0))


def test_noise_is_uniform_within_half_an_lsb_and_new_at_every_step() -> None:
    site = Site("act:x", SiteKind.ACTIVATION, "x", 0, 0, 50, (8, 16))
    steps = torch.stack(list(islice(noise_draws(site, 0.5, (1, 50), probes=4, seed=0), 100)))
    assert steps.shape == (100, 5, 1, 1, 50)
    noise = steps[:, :4]
    assert noise.abs().max() <= 0.25
    assert float(noise.square().mean()) == pytest.approx(0.5**2 / 12, rel=0.02)
    assert len(noise.unique()) == noise.numel()
    assert torch.equal(steps[:, 4], CHECK * steps[:, 0])


def test_noise_reaches_its_own_variants_alone() -> None:
    x = Site("act:x", SiteKind.ACTIVATION, "x", 0, 0, 3, (8, 16))
    h = Site("state:h", SiteKind.STATE, "h", 0, 0, 2, (8, 16))
    tap = noise_tap(
        [(x, "x_view", 0.1, 2), (h, "h", 0.1, 5)], {"x_view": (3,), "h": (2,)}, probes=2, seed=0
    )
    assert tap is not None
    value = torch.zeros(8, 1, 3)
    changed = tap("x_view", value)
    assert np.flatnonzero(changed.abs().sum(dim=(1, 2))).tolist() == [2, 3, 4]
    assert not value.any()
    assert np.flatnonzero(tap("h", torch.zeros(8, 1, 2)).sum(dim=(1, 2))).tolist() == [5, 6, 7]
    assert tap("y", value) is value
    assert noise_tap([], {}, probes=2, seed=0) is None
