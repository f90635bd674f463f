"""Rows before and after an axis: constants or copies of the edge."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.selections import take
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of


def pad_constant(
    e: Emitter, x: Value, axis: int, before: int, after: int, fill: float = 0.0
) -> Value:
    """x between constant rows along an axis; negative numbers cut rows off."""
    extent = shape_of(x)[axis]
    x = e.slice(x, axis, max(-before, 0), extent - max(-after, 0))
    parts = [_block(x, axis, before, fill), x, _block(x, axis, after, fill)]
    return e.cat([part for part in parts if part is not None], axis)


def _block(x: Value, axis: int, rows: int, fill: float) -> Constant | None:
    if rows <= 0:
        return None
    shape = list(shape_of(x))
    shape[axis] = rows
    return Constant(torch.full(shape, float(fill)), "padding.rows")


def pad_edge(e: Emitter, x: Value, axis: int, before: int, after: int) -> Value:
    """x with its first and last row repeated."""
    extent = shape_of(x)[axis]
    return take(e, x, axis, [0] * before + list(range(extent)) + [extent - 1] * after)


def replication_pad1d(e: Emitter, _node: torch.fx.Node, x: Value, pad: Sequence[int]) -> Value:
    """Edge padding of the last axis."""
    return pad_edge(e, x, -1, pad[0], pad[1])


def reflection_pad1d(e: Emitter, _node: torch.fx.Node, x: Value, pad: Sequence[int]) -> Value:
    """The last axis mirrored at its first and last entry."""
    extent = shape_of(x)[-1]
    rows = [abs(i) for i in range(-pad[0], extent)]
    return take(e, x, -1, rows + [extent - 2 - i for i in range(pad[1])])


def constant_pad_nd(
    e: Emitter, _node: torch.fx.Node, x: Value, pad: Sequence[int], value: float = 0.0
) -> Value:
    """Constant padding of the last axes, innermost first."""
    for axis in range(len(pad) // 2):
        x = pad_constant(e, x, -1 - axis, pad[2 * axis], pad[2 * axis + 1], value)
    return x


def pad_mode(
    e: Emitter,
    node: torch.fx.Node,
    x: Value,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Value | None:
    """torch.nn.functional.pad."""
    if mode == "constant":
        return constant_pad_nd(e, node, x, pad, value or 0.0)
    if len(pad) != 2:
        return None
    if mode == "replicate":
        return replication_pad1d(e, node, x, pad)
    if mode == "reflect":
        return reflection_pad1d(e, node, x, pad)
    extent = shape_of(x)[-1]  # circular
    return take(e, x, -1, [i % extent for i in range(-pad[0], extent + pad[1])])


HANDLERS: Handlers = {
    torch.ops.aten.replication_pad1d.default: replication_pad1d,
    torch.ops.aten.reflection_pad1d.default: reflection_pad1d,
    torch.ops.aten.constant_pad_nd.default: constant_pad_nd,
    torch.ops.aten.pad.default: pad_mode,
}
