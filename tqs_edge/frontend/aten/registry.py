"""Which function rewrites which ATen operation."""

from __future__ import annotations

import torch

from tqs_edge.frontend.aten import (
    activations,
    arithmetic,
    attention,
    choices,
    comparisons,
    complex_pairs,
    convolutions,
    fills,
    fourier,
    layout,
    norms,
    planes,
    pooling,
    products,
    reductions,
    running,
    scatters,
    selections,
)
from tqs_edge.frontend.aten.values import Handlers

aten = torch.ops.aten

HANDLERS: Handlers = {
    **activations.HANDLERS,
    **arithmetic.HANDLERS,
    **attention.HANDLERS,
    **choices.HANDLERS,
    **comparisons.HANDLERS,
    **complex_pairs.HANDLERS,
    **convolutions.HANDLERS,
    **fills.HANDLERS,
    **fourier.HANDLERS,
    **layout.HANDLERS,
    **norms.HANDLERS,
    **planes.HANDLERS,
    **pooling.HANDLERS,
    **products.HANDLERS,
    **reductions.HANDLERS,
    **running.HANDLERS,
    **scatters.HANDLERS,
    **selections.HANDLERS,
}

# Of complex tensors.
COMPLEX_HANDLERS: Handlers = {**complex_pairs.COMPLEX, **fourier.COMPLEX}

# Linear with real coefficients: complex tensors go through them part by part.
ON_EACH_PART = frozenset(
    {
        *layout.HANDLERS,
        *selections.HANDLERS,
        *scatters.HANDLERS,
        aten.neg.default,
        aten.mean.dim,
        aten.mean.default,
        aten.sum.dim_IntList,
        aten.sum.default,
        aten.cumsum.default,
    }
)
