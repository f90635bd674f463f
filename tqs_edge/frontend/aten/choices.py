"""Choices between two tensors by a mask that is constant or a comparison."""

from __future__ import annotations

from itertools import groupby

import torch

from tqs_edge.frontend.aten.comparisons import JOINS, NEGATIONS, chosen
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.hidden import hide, only_exponentials_read
from tqs_edge.frontend.aten.layout import expanded
from tqs_edge.frontend.aten.masks import add_mask, hides, only_softmax_reads
from tqs_edge.frontend.aten.values import (
    Condition,
    Constant,
    Handlers,
    Operand,
    Value,
    shape_of,
)

aten = torch.ops.aten
MOST_RUNS = 8  # beyond that, two products and a sum cost less than the copies


def where(
    e: Emitter, node: torch.fx.Node, mask: Value | Condition, a: Operand, b: Operand
) -> Value | None:
    """a where a constant mask or a comparison is true, b elsewhere."""
    if isinstance(mask, Condition):
        return chosen(e, node, mask, a, b)
    if not isinstance(mask, Constant):
        return None
    hidden = _hidden_scores(e, node, mask, a, b)
    if hidden is not None:
        return hidden
    joined = _joined(e, shape_of(node), mask, a, b)
    if joined is not None:
        return joined
    keep = mask.value.to(torch.float32)
    parts = [_selected(e, x, c, node) for x, c in ((a, keep), (b, 1 - keep))]
    if None in parts:
        infinite = [i for i, part in enumerate(parts) if part is None]
        kept = (a, b)[1 - infinite[0]]
        if len(infinite) == 2 or isinstance(kept, int | float):
            return None
        gone = (keep, 1 - keep)[infinite[0]]
        if isinstance(kept, torch.fx.Node) and only_exponentials_read(node):
            shown = expanded(e, kept, shape_of(node))
            return hide(e, shown, 1 - gone) if _negative((a, b)[infinite[0]]) else None
        return None
    total = e.binary(aten.add.Tensor, *parts)  # type: ignore[arg-type]
    return total if shape_of(total) == shape_of(node) else None


def _hidden_scores(
    e: Emitter, node: torch.fx.Node, mask: Constant, a: Operand, b: Operand
) -> Value | None:
    """Scores where one side is far below all others and only a softmax reads them, by a sum."""
    for kept, fill, wanted in ((b, a, mask.value.bool()), (a, b, ~mask.value.bool())):
        if hides(fill) and isinstance(kept, torch.fx.Node) and only_softmax_reads(node):
            below = torch.zeros(wanted.shape).masked_fill(wanted, -float("inf"))
            return add_mask(e, kept, Constant(below, "mask.keep"))
    return None


def _negative(x: Operand) -> bool:
    """Whether all infinities of a constant are minus infinity."""
    value = x.value if isinstance(x, Constant) else torch.tensor(float(x))  # type: ignore[arg-type]
    return not bool((value == float("inf")).any())


def _selected(e: Emitter, x: Operand, keep: torch.Tensor, node: torch.fx.Node) -> Value | None:
    """x * keep, None where x holds infinities."""
    if isinstance(x, torch.fx.Node):
        return e.binary(aten.mul.Tensor, x, Constant(keep, "mask.keep"))
    value = x.value if isinstance(x, Constant) else torch.tensor(float(x))
    if torch.isinf(value).any():
        return None
    path = x.path if isinstance(x, Constant) else "mask.keep"
    return Constant((value * keep).to(torch.float32), path)


def masked_fill(
    e: Emitter, node: torch.fx.Node, x: Value, mask: Value | Condition, fill: Operand
) -> Value | None:
    """x with a number where a constant mask or a comparison is true."""
    return where(e, node, mask, fill, x)


def _joined(
    e: Emitter, shape: tuple[int, ...], mask: Constant, a: Operand, b: Operand
) -> Value | None:
    """Slices of both side by side, where the mask changes along one axis only and not often."""
    places = [i - len(mask.shape) for i, extent in enumerate(mask.shape) if extent != 1]
    if len(places) != 1:
        return None
    axis = places[0]
    runs = [(bool(key), len(list(group))) for key, group in groupby(mask.value.flatten().tolist())]
    if len(runs) > MOST_RUNS:
        return None
    parts, begin = [], 0
    for first, count in runs:
        parts.append(_run(e, shape, a if first else b, axis, begin, begin + count))
        begin += count
    known = [part for part in parts if part is not None]
    return e.cat(known, axis) if len(known) == len(parts) else None


def _run(
    e: Emitter, shape: tuple[int, ...], x: Operand, axis: int, begin: int, end: int
) -> Value | None:
    """x[begin:end] along an axis of what it is broadcast to, None for infinities."""
    if isinstance(x, int | float):
        x = Constant(torch.full((1,) * len(shape), float(x)), "mask.fill")
    if isinstance(x, Constant) and bool(torch.isinf(x.value).any()):
        return None
    own = (1,) * (len(shape) - len(shape_of(x))) + shape_of(x)
    whole = e.reshape(x, own)
    part = whole if own[axis] == 1 else e.slice(whole, axis, begin, end)
    wanted = list(shape)
    wanted[axis] = end - begin
    return expanded(e, part, tuple(wanted))


HANDLERS: Handlers = {
    aten.where.self: where,
    aten.where.ScalarOther: where,
    aten.where.ScalarSelf: where,
    aten.where.Scalar: where,
    aten.masked_fill.Scalar: masked_fill,
    aten.masked_fill.Tensor: masked_fill,
}
CONDITION_READERS = frozenset({*HANDLERS, *NEGATIONS, *JOINS})
