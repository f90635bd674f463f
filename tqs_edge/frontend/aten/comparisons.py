"""Comparisons with numbers and between tensors, which choices read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import Condition, Constant, Handlers, Operand, Value, shape_of

aten = torch.ops.aten


def _comparison(strict: bool, negated: bool) -> Callable[..., Condition | None]:
    """The handler of a > b (strict), a >= b, or of their opposites a <= b, a < b (negated)."""

    def compare(e: Emitter, node: torch.fx.Node, a: Value, b: Operand) -> Condition | None:
        number = float(b) if isinstance(b, int | float) else None
        if number is None and isinstance(b, Constant) and b.value.numel() == 1:
            number = float(b.value)
        difference = a if number is not None else e.binary(aten.sub.Tensor, a, b)
        if not isinstance(difference, torch.fx.Node):
            return None
        return Condition(difference, number or 0.0, strict, negated, node)

    return compare


def logical_not(_e: Emitter, node: torch.fx.Node, x: Value | Condition) -> Condition | None:
    """The opposite of a comparison."""
    if not isinstance(x, Condition):
        return None
    return replace(x, negated=not x.negated, node=node)


def _joined(target: Any) -> Callable[..., Condition | None]:
    """The handler of a condition joined from two by what `target` makes of their 1 and 0."""

    def join(
        e: Emitter, node: torch.fx.Node, a: Value | Condition, b: Value | Condition
    ) -> Condition | None:
        if not isinstance(a, Condition) or not isinstance(b, Condition):
            return None
        both = e.binary(target, as_number(e, a), as_number(e, b))
        return Condition(both, 0.5, True, False, node) if isinstance(both, torch.fx.Node) else None

    return join


def exclusive_or(
    e: Emitter, node: torch.fx.Node, a: Value | Condition, b: Value | Condition
) -> Condition | None:
    """Exactly one of two conditions."""
    if not isinstance(a, Condition) or not isinstance(b, Condition):
        return None
    apart = e.function(e.binary(aten.sub.Tensor, as_number(e, a), as_number(e, b)), "abs")
    return Condition(apart, 0.5, True, False, node) if isinstance(apart, torch.fx.Node) else None


def _over_axes(target: Any, scale: float) -> Callable[..., Condition | None]:
    """The handler of a condition that any entry along axes fulfils (1) or that all do (-1)."""

    def handle(
        e: Emitter,
        node: torch.fx.Node,
        x: Value | Condition,
        dims: Any = None,
        keepdim: bool = False,
    ) -> Condition | None:
        if not isinstance(x, Condition):
            return None
        number = as_number(e, x)
        axes = range(len(shape_of(number))) if dims is None else dims
        axes = [axes] if isinstance(axes, int) else list(axes)
        found = e.affine(e.reduce(target, e.affine(number, scale), axes), scale)
        joined = e.reshape(found, shape_of(node))
        return (
            Condition(joined, 0.5, True, False, node) if isinstance(joined, torch.fx.Node) else None
        )

    return handle


def sign(e: Emitter, node: torch.fx.Node, x: Value) -> Value | None:
    """1 above zero, -1 below."""
    if not isinstance(x, torch.fx.Node):
        return None
    above, below = (Condition(x, 0.0, strict, not strict, node) for strict in (True, False))
    return e.binary(aten.sub.Tensor, as_number(e, above), as_number(e, below))


def _choice(e: Emitter, condition: Condition, a: Value, b: Value) -> torch.fx.Node:
    """a where the comparison holds, b elsewhere."""
    if condition.negated:
        a, b = b, a
    target = tqs.choose.default
    return e.call(target, condition.x, a, b, condition.threshold, condition.strict)


def chosen(
    e: Emitter, node: torch.fx.Node, mask: Condition, a: Operand, b: Operand
) -> Value | None:
    """a where a comparison holds, b elsewhere; None for infinities."""
    parts = []
    for part in (a, b):
        if isinstance(part, int | float):
            part = Constant(torch.tensor(float(part)), "choice.value")
        if isinstance(part, Constant):
            value = part.value.to(torch.float32)
            bare = not value.ndim and shape_of(node)
            part = Constant(value.reshape(1) if bare else value, part.path)
            if torch.isinf(part.value).any():
                return None
        parts.append(part)
    result = _choice(e, mask, *parts)
    return result if shape_of(result) == shape_of(node) else None


HANDLERS: Handlers = {
    overload: _comparison(strict, negated)
    for packet, strict, negated in (
        (aten.gt, True, False),
        (aten.ge, False, False),
        (aten.le, True, True),
        (aten.lt, False, True),
    )
    for overload in (packet.Scalar, packet.Tensor)
}
NEGATIONS: Handlers = {
    aten.logical_not.default: logical_not,
    aten.bitwise_not.default: logical_not,
}
JOINS: Handlers = {
    overload: _joined(target)
    for target, overloads in (
        (aten.minimum.default, (aten.logical_and.default, aten.bitwise_and.Tensor)),
        (aten.maximum.default, (aten.logical_or.default, aten.bitwise_or.Tensor)),
    )
    for overload in overloads
}
JOINS |= {
    aten.logical_xor.default: exclusive_or,
    aten.bitwise_xor.Tensor: exclusive_or,
    **{
        getattr(packet, overload): _over_axes(aten.amax.default, scale)
        for packet, scale in ((aten.any, 1.0), (aten.all, -1.0))
        for overload in ("default", "dim", "dims")
    },
}
HANDLERS |= {**NEGATIONS, **JOINS, aten.sign.default: sign}

# Operations to which a comparison is the number 1 or 0.
READ_AS_NUMBERS = frozenset(
    {
        *(aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor, aten.cat.default),
        *(aten.mean.dim, aten.sum.dim_IntList, aten.sum.default, aten._to_copy.default),
    }
)


def as_number(e: Emitter, condition: Condition) -> torch.fx.Node:
    """1 where a comparison holds, 0 elsewhere."""
    shape = (1,) if shape_of(condition.x) else ()
    one, zero = (Constant(torch.full(shape, n), "choice.value") for n in (1.0, 0.0))
    return _choice(e, condition, one, zero)
