"""Hutchinson's traces against Hessians known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graphs import gru_contexts, gru_graph, linear_map
from tqs_edge.bench.hessian import hessian_traces
from tqs_edge.bench.one_step import Lessons, teacher_loss
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.sensitivity.sites import SiteKind, list_sites


def lessons(inputs: np.ndarray, targets: np.ndarray, std: np.ndarray, blind: int = 0) -> Lessons:
    """inputs (N, rows, F); targets (rows, N, 1, F)."""
    return Lessons(
        torch.from_numpy(inputs), None, torch.from_numpy(targets), torch.from_numpy(std), blind
    )


def test_orthogonal_inputs_of_a_linear_map_give_the_trace_from_one_probe() -> None:
    """H is diagonal: d2/dA_fj2 of mean(((A x - t)_f / s_f)^2) = 2 E[x_j^2] / (F s_f^2)."""
    size = np.array([1.0, 2.0, 0.5, 3.0, 1.5, 0.25, 1.0, 4.0])
    signs = np.array([[1.0]])
    for _ in range(3):  # Hadamard: columns of signs that are orthogonal
        signs = np.block([[signs, signs], [signs, -signs]])
    inputs = (signs * size)[:, None]
    std = np.linspace(0.5, 2.0, 8)
    model = linear_map(np.random.default_rng(0).normal(size=(8, 8)))
    targets = np.random.default_rng(1).normal(size=(1, 8, 1, 8))
    sites = list_sites(model.graph)
    traces = hessian_traces(model, lessons(inputs, targets, std), sites, seed=5, probes=1)
    by_row = 2.0 * (size**2).sum() / (8 * std**2)
    expected = [by_row[:4].sum(), by_row[4:].sum(), 0.0]
    assert [site.kind for site in sites] == [SiteKind.WEIGHT, SiteKind.WEIGHT, SiteKind.ACTIVATION]
    np.testing.assert_allclose(traces, expected, rtol=1e-12)


def exact_hessian(model: RolloutModel, known: Lessons, paths: list[str]) -> np.ndarray:
    constants = {
        k: torch.from_numpy(v.astype(np.float64)) for k, v in model.graph.constants.items()
    }
    shapes = [constants[path].shape for path in paths]
    flat = torch.cat([constants[path].reshape(-1) for path in paths])

    def loss(weights: torch.Tensor) -> torch.Tensor:
        pieces = weights.split([s.numel() for s in shapes])
        put = {p: w.reshape(s) for p, w, s in zip(paths, pieces, shapes, strict=True)}
        return teacher_loss(model, known, {**constants, **put}.__getitem__)

    return torch.autograd.functional.hessian(loss, flat).numpy()


def test_traces_of_a_gru_lie_within_four_standard_errors() -> None:
    """Var(v_b (H v)_b) = sum over i in b of (2 sum_{j in b, j != i} + sum_{j not in b}) H_ij^2."""
    model = gru_graph(0, features=2, hidden=4)
    contexts = gru_contexts(model, 6, rows=7).astype(np.float64)
    targets = contexts[:, 1:].swapaxes(0, 1)[:, :, None]
    known = lessons(contexts[:, :-1], targets[2:], np.array([1.0, 0.5]), blind=2)
    sites = list_sites(model.graph)
    paths = list(dict.fromkeys(s.tensor for s in sites if s.kind is SiteKind.WEIGHT))
    hessian = exact_hessian(model, known, paths)
    probes = 200
    traces = hessian_traces(model, known, sites, seed=0, probes=probes)
    begin = 0
    for site, trace in zip(sites, traces, strict=True):
        if site.kind is not SiteKind.WEIGHT:
            assert trace == 0.0
            continue
        block = slice(begin, begin + site.elements)
        begin += site.elements
        inner = hessian[block, block] - np.diag(np.diag(hessian[block, block]))
        variance = (inner**2).sum() + (hessian[block] ** 2).sum()
        variance -= (np.diag(hessian)[block] ** 2).sum()
        error = trace - np.trace(hessian[block, block])
        assert abs(error) <= 4.0 * np.sqrt(variance / probes), site.id


@pytest.mark.parametrize("probes", [5, 40])
def test_traces_repeat(probes: int) -> None:
    model = gru_graph(1, features=2, hidden=4)
    contexts = gru_contexts(model, 3, rows=5).astype(np.float64)
    known = lessons(contexts[:, :-1], contexts[:, 1:].swapaxes(0, 1)[:, :, None], np.ones(2))
    sites = list_sites(model.graph)
    first, again = (hessian_traces(model, known, sites, seed=3, probes=probes) for _ in range(2))
    assert (first == again).all()
