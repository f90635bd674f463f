"""The trace of the Hessian of the one-step loss, block by block, by Hutchinson's estimator."""

from __future__ import annotations

import numpy as np

from tqs_edge.bench.one_step import Lessons, teacher_loss
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.threads import one_thread
from tqs_edge.sensitivity.sites import Site, SiteKind

PROBES = 256
BATCH = 32  # probes at once, to bound the memory


@one_thread()
def hessian_traces(
    model: RolloutModel,
    lessons: Lessons,
    sites: tuple[Site, ...],
    *,
    seed: int,
    probes: int = PROBES,
) -> np.ndarray:
    """Tr(H) (sites,) of each weight block, zero for other sites; float64.

    H is the second derivative of the one-step loss with teacher forcing, through all steps of the
    context. One vector v of random signs covers all weights: E[v_b (H v)_b] = Tr(H_bb), since signs
    of different weights are independent (Hutchinson 1990; PyHessian, arXiv 1912.07145).
    """
    import torch

    constants = {
        path: torch.from_numpy(np.array(value, np.float64))
        for path, value in model.graph.constants.items()
    }
    paths = list(dict.fromkeys(s.tensor for s in sites if s.kind is SiteKind.WEIGHT))
    weights = [constants[path].requires_grad_(True) for path in paths]
    loss = teacher_loss(model, lessons, constants.__getitem__)
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    generator = torch.Generator().manual_seed(seed)
    diagonal = {path: np.zeros(len(w)) for path, w in zip(paths, weights, strict=True)}
    for first in range(0, probes, BATCH):
        count = min(BATCH, probes - first)
        signs = [
            torch.randint(0, 2, (count, *w.shape), generator=generator, dtype=loss.dtype) * 2 - 1
            for w in weights
        ]
        products = torch.autograd.grad(
            gradients,
            weights,
            signs,
            is_grads_batched=True,
            materialize_grads=True,
            retain_graph=True,
        )
        for path, v, product in zip(paths, signs, products, strict=True):
            diagonal[path] += (v * product).sum(dim=(0, 2)).numpy() / probes
    return np.array(
        [
            diagonal[s.tensor][s.begin : s.end].sum() if s.kind is SiteKind.WEIGHT else 0.0
            for s in sites
        ]
    )
