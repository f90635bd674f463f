"""Which function rewrites which ATen operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tqs_edge.frontend.aten import (
    activations,
    arithmetic,
    attention,
    choices,
    convolutions,
    layout,
    norms,
    pooling,
    products,
    reductions,
    scatters,
    selections,
)

Handler = Callable[..., Any]

# Each takes (emitter, old node, *arguments of the operation) and returns the new value, several
# for an operation with several outputs, or None for what the graph cannot express.
HANDLERS: Mapping[Any, Handler] = {
    **activations.HANDLERS,
    **arithmetic.HANDLERS,
    **attention.HANDLERS,
    **choices.HANDLERS,
    **convolutions.HANDLERS,
    **layout.HANDLERS,
    **norms.HANDLERS,
    **pooling.HANDLERS,
    **products.HANDLERS,
    **reductions.HANDLERS,
    **scatters.HANDLERS,
    **selections.HANDLERS,
}
