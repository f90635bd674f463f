"""Division by tensors of either sign: kernels divide by what lies above zero."""

from __future__ import annotations

from typing import Any

import torch

from tqs_edge.frontend.aten.comparisons import as_number
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import Condition, Constant, Value

aten = torch.ops.aten
NEVER_NEGATIVE = (
    *(aten.sigmoid.default, aten.relu.default, aten.softmax.int, tqs.deviation.default),
)
FUNCTIONS = ("exp", "softplus", "sqrt", "rsqrt", "abs", "cosh")
# Not negative where none of their operands is.
PASSED_ON = (
    *(aten.add.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.minimum.default, aten.cat.default),
    *(aten.mean.dim, aten.sum.dim_IntList, aten.amax.default, aten.reshape.default),
    *(aten.permute.default, aten.slice.Tensor),
)


def quotient(e: Emitter, node: torch.fx.Node, a: Value, b: torch.fx.Node) -> Value:
    """a / b; where b might be negative, (a * sign(b)) / |b|."""
    if never_negative(e, b):
        return e.binary(aten.div.Tensor, a, b)
    size = e.function(b, "abs")
    return e.binary(aten.div.Tensor, e.binary(aten.mul.Tensor, a, _side(e, node, b)), size)


def reciprocal(e: Emitter, node: torch.fx.Node, x: Value) -> Value:
    """1 / x; where x might be negative, sign(x) / |x|."""
    if not isinstance(x, torch.fx.Node) or never_negative(e, x):
        return e.function(x, "reciprocal")
    inverse = e.function(e.function(x, "abs"), "reciprocal")
    return e.binary(aten.mul.Tensor, inverse, _side(e, node, x))


def _side(e: Emitter, node: torch.fx.Node, x: torch.fx.Node) -> Value:
    """1 from zero on, -1 below."""
    return e.affine(as_number(e, Condition(x, 0.0, False, False, node)), 2.0, -1.0)


def never_negative(e: Emitter, x: Any) -> bool:
    """Whether no entry of a tensor can be negative, by the operations that made it."""
    if isinstance(x, int | float):
        return x >= 0
    if isinstance(x, list | tuple):
        return all(never_negative(e, part) for part in x)
    if not isinstance(x, torch.fx.Node):
        return False
    known = e.constants.get(x)
    if isinstance(known, Constant):
        return not known.value.is_complex() and bool((known.value >= 0).all())
    if x.target in NEVER_NEGATIVE:
        return True
    if x.target is tqs.function.default:
        positive = x.args[1] == "reciprocal" and never_negative(e, x.args[0])
        return x.args[1] in FUNCTIONS or positive
    if x.target is aten.mul.Tensor and x.args[0] is x.args[1]:
        return True
    if x.target is aten.maximum.default:
        return any(never_negative(e, part) for part in x.args)
    if x.target is aten.clamp.default:
        return never_negative(e, x.args[1])
    if x.target is tqs.choose.default:
        return all(never_negative(e, part) for part in x.args[1:3])
    operands = x.args[:2] if len(x.args) > 1 and _is_operand(x.args[1], x) else x.args[:1]
    return x.target in PASSED_ON and all(never_negative(e, part) for part in operands)


def _is_operand(argument: Any, x: torch.fx.Node) -> bool:
    """Whether the second argument is a term or factor rather than axes and extents."""
    two = (aten.add.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.minimum.default)
    return x.target in two and isinstance(argument, torch.fx.Node | int | float)
