"""Which function rewrites which ATen operation."""

from __future__ import annotations

from tqs_edge.frontend.aten import (
    activations,
    arithmetic,
    attention,
    choices,
    comparisons,
    convolutions,
    fills,
    layout,
    norms,
    pooling,
    products,
    reductions,
    scatters,
    selections,
)
from tqs_edge.frontend.aten.values import Handlers

HANDLERS: Handlers = {
    **activations.HANDLERS,
    **arithmetic.HANDLERS,
    **attention.HANDLERS,
    **choices.HANDLERS,
    **comparisons.HANDLERS,
    **convolutions.HANDLERS,
    **fills.HANDLERS,
    **layout.HANDLERS,
    **norms.HANDLERS,
    **pooling.HANDLERS,
    **products.HANDLERS,
    **reductions.HANDLERS,
    **scatters.HANDLERS,
    **selections.HANDLERS,
}
