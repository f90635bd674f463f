"""Sums, products and functions of complex tensors, on their real and imaginary parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tqs_edge.frontend.aten.arithmetic import add, div, mul, power, sub
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.pairs import (
    Part,
    each_part,
    is_complex,
    pair,
    parts_in,
    parts_of,
    tensors_of,
)
from tqs_edge.frontend.aten.products import matmul
from tqs_edge.frontend.aten.values import Constant, Handlers, Pair, Value, shape_of

aten = torch.ops.aten


def plus(e: Emitter, node: torch.fx.Node, a: Part, b: Part) -> Part:
    """a + b, either of which may be zero."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a + b
    return add(e, node, a, b)


def minus(e: Emitter, node: torch.fx.Node, a: Part, b: Part) -> Part:
    """a - b, either of which may be zero."""
    if b is None:
        return a
    if a is None:
        return -b if isinstance(b, int | float) else e.affine(b, -1.0)
    return sub(e, node, a, b)


def _times(e: Emitter, node: torch.fx.Node, a: Part, b: Part) -> Part:
    if a is None or b is None:
        return None
    return mul(e, node, a, b)


def sum_of(sign: float) -> Callable[..., Pair]:
    """The handler of a + sign * alpha * b."""

    def handle(e: Emitter, node: torch.fx.Node, a: Any, b: Any, alpha: float = 1) -> Pair:
        (ar, ai), (br, bi) = parts_of(a), parts_of(b)
        if alpha != 1:
            br, bi = _times(e, node, br, alpha), _times(e, node, bi, alpha)
        join = plus if sign > 0 else minus
        return _broadcast(e, node, join(e, node, ar, br), join(e, node, ai, bi))

    return handle


def _broadcast(e: Emitter, node: torch.fx.Node, real: Part, imag: Part) -> Pair:
    """The pair of a node, parts that come from one operand only repeated to its shape."""
    from tqs_edge.frontend.aten.layout import expanded

    shape, parts = tuple(node.meta["val"].shape), []
    for part in (real, imag):
        if isinstance(part, int | float):
            part = Constant(torch.full(shape, float(part)), "complex.value")
        parts.append(part if part is None else expanded(e, part, shape))
    return pair(node, *parts)


def product(e: Emitter, node: torch.fx.Node, a: Any, b: Any) -> Pair:
    """a * b."""
    (ar, ai), (br, bi) = parts_of(a), parts_of(b)
    real = minus(e, node, _times(e, node, ar, br), _times(e, node, ai, bi))
    imag = plus(e, node, _times(e, node, ar, bi), _times(e, node, ai, br))
    return _broadcast(e, node, real, imag)


def matrix_product(e: Emitter, node: torch.fx.Node, a: Any, b: Any) -> Pair | None:
    """a @ b: a's parts side by side times b's parts one below the other, so each rounds once."""
    (ar, ai), (br, bi) = tensors_of(a), tensors_of(b)
    if ai is None or bi is None:
        real = matmul(e, node, ar, br)
        imag = (
            None if ai is bi else matmul(e, node, ar, bi) if bi else matmul(e, node, ai or ar, br)
        )
        return None if real is None else pair(node, real, imag)
    if len(shape_of(br)) == 1:
        columns = [e.reshape(part, (*shape_of(part), 1)) for part in (br, bi)]
        made = matrix_product(e, node, a, Pair(columns[0], columns[1], node))
        if made is None or made.imag is None:
            return None
        real, imag = (e.reshape(part, shape_of(node)) for part in (made.real, made.imag))
        return Pair(real, imag, node)
    wide = e.cat([ar, ai], -1)
    real = matmul(e, node, wide, e.cat([br, e.affine(bi, -1.0)], -2))
    imag = matmul(e, node, wide, e.cat([bi, br], -2))
    return None if real is None or imag is None else pair(node, real, imag)


def biased_product(
    e: Emitter, node: torch.fx.Node, bias: Any, a: Any, b: Any, **factors: float
) -> Pair | None:
    """bias + a @ b."""
    made = matrix_product(e, node, a, b)
    return None if made is None or factors else sum_of(1.0)(e, node, bias, made)


def conjugate(e: Emitter, node: torch.fx.Node, z: Any) -> Pair:
    """The imaginary part negated."""
    real, imag = parts_of(z)
    return pair(node, real, minus(e, node, None, imag))


def _squared_size(e: Emitter, node: torch.fx.Node, z: Any) -> Value:
    squares = [_times(e, node, part, part) for part in parts_of(z)]
    total = plus(e, node, *squares)
    assert isinstance(total, Constant | torch.fx.Node)
    return total


def size(e: Emitter, node: torch.fx.Node, z: Any) -> Value:
    """|z|."""
    return e.function(_squared_size(e, node, z), "sqrt")


def quotient(e: Emitter, node: torch.fx.Node, a: Any, b: Any) -> Pair | None:
    """a / b = a conj(b) / |b|^2."""
    if isinstance(b, Constant):
        return product(e, node, a, Constant(1 / b.value, b.path))
    if not is_complex(b):
        return _divided(e, node, a, b)
    top = product(e, node, a, conjugate(e, node, b))
    return _divided(e, node, top, _squared_size(e, node, b))


def _divided(e: Emitter, node: torch.fx.Node, z: Any, divisor: Any) -> Pair | None:
    made: Pair | None = each_part(div)(e, node, z, divisor)
    return made


def product_added(
    e: Emitter, node: torch.fx.Node, z: Any, a: Any, b: Any, *, value: float = 1
) -> Pair:
    """z + value * a * b."""
    return sum_of(1.0)(e, node, z, product(e, node, a, b), value)


def whole_power(e: Emitter, node: torch.fx.Node, z: Any, exponent: float) -> Any:
    """z multiplied by itself."""
    if exponent == 2:
        return product(e, node, z, z)
    if exponent == 3:
        return product(e, node, product(e, node, z, z), z)
    real, imag = tensors_of(z)
    return power(e, node, real, exponent) if imag is None else None


def exponential(e: Emitter, node: torch.fx.Node, z: Any) -> Pair:
    """exp(a) (cos b + i sin b)."""
    a, b = tensors_of(z)
    length = e.function(a, "exp")
    if b is None:
        return pair(node, length, None)
    return pair(node, *(mul(e, node, length, e.function(b, name)) for name in ("cos", "sin")))


def as_real(e: Emitter, node: torch.fx.Node, z: Any) -> Value:
    """Both parts along a new last axis."""
    whole = parts_in([z], 0) + parts_in([z], 1)
    return e.cat([e.reshape(part, (*shape_of(part), 1)) for part in whole], -1)


def real_part(e: Emitter, node: torch.fx.Node, z: Any) -> Value:
    """The real part."""
    return parts_in(z, 0)  # type: ignore[no-any-return]


def imaginary_part(e: Emitter, node: torch.fx.Node, z: Any) -> Value:
    """The imaginary part."""
    return parts_in(z, 1)  # type: ignore[no-any-return]


def copied(
    _e: Emitter, node: torch.fx.Node, z: Any, *, dtype: torch.dtype | None = None, **_options: Any
) -> Any:
    """A copy; in a real type, of the real part."""
    return z if dtype is None or dtype.is_complex else parts_in(z, 0)


def from_parts(e: Emitter, node: torch.fx.Node, real: Value, imag: Value) -> Pair:
    """A pair of two real tensors."""
    return _broadcast(e, node, real, imag)


def from_last_axis(e: Emitter, node: torch.fx.Node, x: Value) -> Pair:
    """The two entries of a last axis as real and imaginary part."""
    halves = (e.reshape(e.slice(x, -1, i, i + 1), shape_of(x)[:-1]) for i in range(2))
    return pair(node, *halves)


# Of real tensors.
HANDLERS: Handlers = {
    aten.complex.default: from_parts,
    aten.view_as_complex.default: from_last_axis,
}
PRODUCTS = (aten.mm, aten.bmm, aten.matmul, aten.mv, aten.dot)
# Of complex tensors.
COMPLEX: Handlers = {
    aten.add.Tensor: sum_of(1.0),
    aten.add.Scalar: sum_of(1.0),
    aten.sub.Tensor: sum_of(-1.0),
    aten.sub.Scalar: sum_of(-1.0),
    aten.mul.Tensor: product,
    aten.mul.Scalar: product,
    aten.div.Tensor: quotient,
    aten.addcmul.default: product_added,
    aten.square.default: lambda e, node, z: product(e, node, z, z),
    aten.pow.Tensor_Scalar: whole_power,
    aten.exp.default: exponential,
    aten.abs.default: size,
    aten.addmm.default: biased_product,
    aten.baddbmm.default: biased_product,
    **{packet.default: matrix_product for packet in PRODUCTS},
    **{getattr(aten, n).default: conjugate for n in ("_conj", "conj", "conj_physical")},
    **{getattr(aten, n).default: real_part for n in ("real",)},
    aten._to_copy.default: copied,
    aten.imag.default: imaginary_part,
    aten.view_as_real.default: as_real,
    aten.resolve_conj.default: lambda _e, _node, z: z,
    aten.resolve_neg.default: lambda _e, _node, z: z,
}
