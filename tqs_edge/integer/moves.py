"""Integer operations that move, compare or add up numbers, from the nodes of the graph."""

from __future__ import annotations

import math
from collections.abc import Callable

from tqs_edge.graph.graph import Node, Op
from tqs_edge.integer.bound_ops import ClampOp, ExtremumOp, SelectOp
from tqs_edge.integer.chosen_scales import sum_bound, sum_gain
from tqs_edge.integer.layout_ops import PushOp, TransposeOp, UnfoldOp
from tqs_edge.integer.program import ConcatOp, IntegerOp, QTensor
from tqs_edge.integer.reduction_ops import MaxOp, MovingSumOp, SumOp
from tqs_edge.quant.fixed_point import to_multiplier_shift
from tqs_edge.quant.scheme import integer_limits

MOVES = (
    *(Op.CONCAT, Op.TRANSPOSE, Op.UNFOLD, Op.PUSH),
    *(Op.MEAN, Op.SUM, Op.MOVING_SUM, Op.MAX),
    *(Op.MAXIMUM, Op.MINIMUM, Op.CLAMP, Op.SELECT),
)

Like = Callable[[str, QTensor, str], str]


def move_op(node: Node, x: QTensor | None, y: QTensor, like: Like) -> IntegerOp:
    """The operation that computes a node of MOVES.

    x: the first input, None where that is a constant. like(name, y, new_name): the name of a tensor
    or constant at the width and scale of y, which is made under `new_name` where it needs to be.
    """
    name, attrs = node.name, node.attrs
    match node.op:
        case Op.CONCAT:
            return ConcatOp(name, _parts(node, y, like), attrs["axis"])
        case Op.MAXIMUM | Op.MINIMUM:
            a, b = _parts(node, y, like)
            return ExtremumOp(name, (a, b), node.op.value)
    assert x is not None
    match node.op:
        case Op.TRANSPOSE:
            return TransposeOp(name, _narrowed(x, y, like), tuple(attrs["axes"]))
        case Op.UNFOLD:
            source = _narrowed(x, y, like)
            return UnfoldOp(name, source, attrs["kernel"], attrs["dilation"], attrs["stride"])
        case Op.PUSH:
            state, row = node.inputs
            return PushOp(name, state, like(row, y, f"{row}_a{y.bits}"), attrs["axis"])
        case Op.MEAN | Op.SUM:
            return SumOp(name, x.name, attrs["axis"], *sum_factor(node, x, y))
        case Op.MOVING_SUM:
            axis, kernel, *ends = (attrs[key] for key in ("axis", "kernel", "before", "after"))
            before, after = ends
            return MovingSumOp(name, x.name, axis, kernel, before, after, *sum_factor(node, x, y))
        case Op.MAX:
            return MaxOp(name, x.name, attrs["axis"])
        case Op.SELECT:
            a, b = (like(n, y, f"{name}_{i}") for i, n in enumerate(node.inputs[1:]))
            return SelectOp(name, x.name, (a, b), _least(node, x))
        case Op.CLAMP:
            bounds = _clamp_bounds(float(attrs["low"]), float(attrs["high"]), y)
            return ClampOp(name, like(x.name, y, f"{name}_0"), *bounds)
    raise AssertionError(node.op)


def carried_sum_op(node: Node, x: QTensor, y: QTensor, total: str) -> MovingSumOp:
    """A MOVING_SUM of x whose single sum is known already: the tensor `total`, at x's scale."""
    return MovingSumOp(node.name, total, node.attrs["axis"], 1, 0, 0, *sum_factor(node, x, y))


def sum_factor(node: Node, x: QTensor, y: QTensor) -> tuple[int, int]:
    """(factor, shift) of a MEAN, SUM or MOVING_SUM; y.scale is at least
    chosen_scales.finest_scale(node, [x])."""
    factor, bound = sum_gain(node, x) * x.scale / y.scale, sum_bound(node, x)
    # What is left for the multiplier lies below 1/2, also after rounding.
    left_shift = 0 if factor < 0.49 else math.floor(math.log2(factor)) + 3
    requant = to_multiplier_shift([factor / 2.0**left_shift], [bound << left_shift])
    return requant.multipliers[0] << left_shift, requant.shift


def _narrowed(x: QTensor, y: QTensor, like: Like) -> str:
    """x, narrowed before it is moved where only dense nodes of fewer bits read y."""
    return like(x.name, y, f"{x.name}_a{y.bits}")


def _parts(node: Node, y: QTensor, like: Like) -> tuple[str, ...]:
    """The operands at the width and scale of y."""
    return tuple(like(part, y, f"{node.name}_{i}") for i, part in enumerate(node.inputs))


def _least(node: Node, x: QTensor) -> int:
    """The least integer of x for which the first value is chosen, at most one beyond its range."""
    exact = float(node.attrs["threshold"]) / x.scale
    low, high = integer_limits(x.bits)
    bounded = min(max(exact, low - 1.0), high + 1.0)
    return math.floor(bounded) + 1 if node.attrs["strict"] else math.ceil(bounded)


def _clamp_bounds(low: float, high: float, y: QTensor) -> tuple[int, int]:
    """Both bounds as integers of y; as in float, the upper one wins where they cross."""
    least, most = integer_limits(y.bits)
    lowest, highest = (
        math.floor(min(max(bound / y.scale, float(least)), float(most)) + 0.5)
        for bound in (low, high)
    )
    return min(lowest, highest), highest
