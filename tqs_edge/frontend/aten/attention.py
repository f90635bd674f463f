"""Softmax and scaled dot-product attention."""

from __future__ import annotations

import math

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.masks import mask_of, masked_scores
from tqs_edge.frontend.aten.products import matmul
from tqs_edge.frontend.aten.selections import take
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of

aten = torch.ops.aten


def softmax(
    e: Emitter, _node: torch.fx.Node, x: Value, dim: int, half_to_float: object = None
) -> Value:
    """Softmax over any axis: the axis goes last and back."""
    moved, back = e.to_last(x, dim)
    return e.permute(e.call(aten.softmax.int, moved, -1), back)


def log_softmax(
    e: Emitter, _node: torch.fx.Node, x: Value, dim: int, half_to_float: object = None
) -> Value:
    """x - max - log(sum(exp(x - max)))."""
    shifted = e.binary(aten.sub.Tensor, x, e.reduce(aten.amax.default, x, [dim]))
    total = e.reduce(aten.sum.dim_IntList, e.function(shifted, "exp"), [dim])
    return e.binary(aten.sub.Tensor, shifted, e.function(total, "log"))


def scaled_dot_product_attention(
    e: Emitter,
    node: torch.fx.Node,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value | None:
    """softmax(query key^T * scale + mask) value; masks must be constant."""
    if dropout_p or (attn_mask is not None and not isinstance(attn_mask, Constant)):
        return None
    factor = 1 / math.sqrt(shape_of(query)[-1]) if scale is None else scale
    if enable_gqa:
        key, value = (_for_each_head(e, part, shape_of(query)[-3]) for part in (key, value))
    product = matmul(e, node, query, e.swap_last(key))
    if product is None:
        return None
    scores = e.affine(product, factor)
    if is_causal:
        keep = torch.ones(shape_of(scores)[-2:], dtype=torch.bool).tril()
        scores = e.binary(aten.add.Tensor, scores, mask_of(keep))
    if isinstance(attn_mask, Constant):
        boolean = attn_mask.value.dtype == torch.bool
        mask = mask_of(attn_mask.value) if boolean else masked_scores(attn_mask)
        scores = e.binary(aten.add.Tensor, scores, mask)
    return matmul(e, node, e.call(aten.softmax.int, scores, -1), value)


def _for_each_head(e: Emitter, x: Value, heads: int) -> Value:
    """(..., G, L, D) -> (..., heads, L, D): every group for heads / G neighbouring heads."""
    groups = shape_of(x)[-3]
    return take(e, x, -3, [head * groups // heads for head in range(heads)])


HANDLERS: Handlers = {
    aten._softmax.default: softmax,
    aten.softmax.int: softmax,
    aten._safe_softmax.default: lambda e, node, x, dim, dtype=None: softmax(e, node, x, dim),
    aten._log_softmax.default: log_softmax,
    aten.log_softmax.int: log_softmax,
    aten.scaled_dot_product_attention.default: scaled_dot_product_attention,
}
