"""Tensors of one number in the shape of another: constants, as all shapes are known."""

from __future__ import annotations

from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of

aten = torch.ops.aten


def full_like(
    _e: Emitter, _node: torch.fx.Node, x: Value, fill: float, **_options: Any
) -> Constant | None:
    """The number in the shape of x; None for what is not a float."""
    if isinstance(fill, Constant | torch.fx.Node):
        return None
    return Constant(torch.full(shape_of(x), float(fill)), "filled.values")


HANDLERS: Handlers = {aten.full_like.default: full_like}
