"""Matrix products: with a constant a dense layer, of two tensors a product of activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of

aten = torch.ops.aten


def matmul(e: Emitter, _node: torch.fx.Node, a: Value, b: Value) -> Value | None:
    """a @ b with NumPy's rules for one and more axes."""
    if len(shape_of(a)) == 1:
        row = matmul(e, _node, e.reshape(a, (1, *shape_of(a))), b)
        return row and e.reshape(row, (*shape_of(row)[:-2], *shape_of(row)[-1:]))
    if len(shape_of(b)) == 1:
        column = matmul(e, _node, a, e.reshape(b, (*shape_of(b), 1)))
        return column and e.reshape(column, shape_of(column)[:-1])
    if isinstance(b, Constant):
        return _by_constant(e, a, b)
    if isinstance(a, Constant):
        left = Constant(a.value.transpose(-1, -2).contiguous(), a.path)
        turned = a.transposed() if a.value.ndim == 2 else left
        product = _by_constant(e, e.swap_last(b), turned)
        return product and e.swap_last(product)
    if len(shape_of(a)) != len(shape_of(b)):
        rank = max(len(shape_of(a)), len(shape_of(b)))
        a, b = (e.reshape(v, (1,) * (rank - len(shape_of(v))) + shape_of(v)) for v in (a, b))
    return e.call(aten.matmul.default, a, b)


def _by_constant(e: Emitter, x: Value, right: Constant) -> Value | None:
    """x @ right for a constant with any leading axes."""
    matrix = _one_matrix(right)
    if matrix is not None:
        lead = np.broadcast_shapes(shape_of(x)[:-2], right.shape[:-2])
        product = e.dense(x, matrix.transposed())
        want = (*lead, *shape_of(product)[-2:])
        return e.reshape(product, want) if math.prod(want) == _size(product) else None
    batch = right.shape[:-2]
    lead = shape_of(x)[:-2]
    if len(lead) > len(batch) or any(a not in (1, b) for a, b in zip(lead, batch, strict=False)):
        return None
    return _batched(e, x, right)


def _batched(e: Emitter, x: Value, right: Constant) -> Value | None:
    """One dense layer for each matrix of the constant, their results side by side."""
    batch, count = right.shape[:-2], math.prod(right.shape[:-2])
    rows, depth = shape_of(x)[-2:]
    matrices = right.value.reshape(count, *right.shape[-2:])
    if shape_of(x)[:-2] == batch:
        flat = e.reshape(x, (count, rows, depth))
        parts = [e.slice(flat, 0, i, i + 1) for i in range(count)]
    elif math.prod(shape_of(x)[:-2]) == 1:
        parts = [e.reshape(x, (1, rows, depth))] * count
    else:
        return None
    products = [
        e.dense(part, Constant(matrices[i].t().contiguous(), f"{right.path}.{i}"))
        for i, part in enumerate(parts)
    ]
    return e.reshape(e.cat(products, 0), (*batch, rows, right.shape[-1]))


def _one_matrix(constant: Constant) -> Constant | None:
    """The matrix that a constant repeats along its leading axes, or None."""
    if constant.value.ndim == 2:
        return constant
    stacked = constant.value.reshape(-1, *constant.shape[-2:])
    return Constant(stacked[0], constant.path) if bool((stacked == stacked[:1]).all()) else None


def _size(value: Value) -> int:
    return math.prod(shape_of(value))


def addmm(
    e: Emitter,
    node: torch.fx.Node,
    bias: Value,
    a: Value,
    b: Value,
    *,
    beta: float = 1,
    alpha: float = 1,
) -> Value | None:
    """beta * bias + alpha * a @ b; one dense layer where bias and b are constant."""
    plain = beta == alpha == 1
    if plain and isinstance(bias, Constant) and isinstance(b, Constant) and b.value.ndim == 2:
        if bias.shape == b.shape[1:]:
            return e.dense(a, b.transposed(), bias)
    product = matmul(e, node, a, b)
    if product is None:
        return None
    scaled = bias if beta == 1 else e.affine(bias, beta)
    return e.binary(aten.add.Tensor, e.affine(product, alpha), scaled)


def linear(
    e: Emitter, _node: torch.fx.Node, x: Value, weight: Value, bias: Value | None = None
) -> Value | None:
    """A linear layer that was not decomposed."""
    if isinstance(weight, Constant) and (bias is None or isinstance(bias, Constant)):
        return e.dense(x, weight, bias)
    return None


def bilinear(
    e: Emitter, node: torch.fx.Node, a: Value, b: Value, weight: Value, bias: Value | None = None
) -> Value | None:
    """y[o] = a W[o] b + bias[o] over the last axes."""
    if not isinstance(weight, Constant):
        return None
    rows, left, right = weight.shape
    turned = weight.value.transpose(1, 2).reshape(rows * right, left)
    halves = e.dense(a, Constant(turned.contiguous(), weight.path))
    shape = shape_of(halves)[:-1]
    split = e.reshape(halves, (*shape, rows, right))
    scaled = e.binary(aten.mul.Tensor, split, e.reshape(b, (*shape, 1, right)))
    total = e.reshape(e.reduce(aten.sum.dim_IntList, scaled, [-1]), (*shape, rows))
    return total if bias is None else e.binary(aten.add.Tensor, total, bias)


def cumsum(e: Emitter, _node: torch.fx.Node, x: Value, dim: int, dtype: Any = None) -> Value:
    """Running sums along an axis, by a triangle of ones."""
    length = shape_of(x)[dim]
    triangle = Constant(torch.ones(length, length).tril(), "cumsum.weight")
    moved, back = e.to_last(x, dim)
    return e.permute(e.dense(moved, triangle), back)


def along_last(e: Emitter, node: torch.fx.Node, x: Value, *args: Any, **kwargs: Any) -> Value:
    """A linear operation along the last axis (interpolation) by the matrix that it is."""
    length = shape_of(x)[-1]
    images = node.target(torch.eye(length)[None], *args, **kwargs)[0]  # type: ignore[operator]
    name = str(node.target).split(".")[1]
    return e.dense(x, Constant(images.t().contiguous(), f"{name}.weight"))


HANDLERS: Handlers = {
    aten.mm.default: matmul,
    aten.bmm.default: matmul,
    aten.matmul.default: matmul,
    aten.mv.default: matmul,
    aten.dot.default: matmul,
    aten.addmm.default: addmm,
    aten.baddbmm.default: addmm,
    aten.linear.default: linear,
    aten.bilinear.default: bilinear,
    aten.cumsum.default: cumsum,
    **{
        getattr(packet, overload): along_last
        for packet in (
            aten.upsample_linear1d,
            aten.upsample_nearest1d,
            aten._upsample_nearest_exact1d,
        )
        for overload in ("vec", "default")
    },
}
