"""Batch, layer, group and instance normalisation as they are after training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of
from tqs_edge.frontend.aten.variance import mean_over, variance_over

aten = torch.ops.aten
Results = tuple[Value | None, ...]


def batch_norm(
    e: Emitter,
    node: torch.fx.Node,
    x: Value,
    weight: Constant | None,
    bias: Constant | None,
    mean: Constant,
    variance: Constant,
    _momentum: float,
    eps: float,
) -> Results:
    """x * scale + shift per channel, in the dense layer before it where only this reads that."""
    scale = 1 / torch.sqrt(variance.value + eps)
    if weight is not None:
        scale = scale * weight.value
    shift = -mean.value * scale
    if bias is not None:
        shift = shift + bias.value
    source = node.args[0]
    if isinstance(source, torch.fx.Node) and len(source.users) == 1:
        folded = _into_dense(e, x, scale, shift)
        if folded is not None:
            return folded, None, None
    stem = mean.path.removesuffix("running_mean")
    gain, offset = Constant(scale, f"{stem}weight"), Constant(shift, f"{stem}bias")
    return _per_channel(e, x, gain, offset), None, None


def _into_dense(e: Emitter, x: Value, scale: torch.Tensor, shift: torch.Tensor) -> Value | None:
    """The scaled and shifted product where x is one whose rows are channels, else None."""
    if not isinstance(x, torch.fx.Node):
        return None
    inner, axes = e.unpermuted(x)
    if inner.target is not tqs.dense.default or axes[1] != len(axes) - 1:
        return None
    source, weight, *biases = inner.args
    matrix = e.constants[weight]  # type: ignore[index]
    bias = e.constants[biases[0]] if biases else None  # type: ignore[index]
    folded = Constant(matrix.value * scale[:, None], matrix.path)
    moved = shift if bias is None else shift + bias.value * scale
    path = bias.path if bias else f"{matrix.path.removesuffix('weight')}bias"
    product = e.dense(source, folded, Constant(moved, path))  # type: ignore[arg-type]
    return e.permute(product, axes)


def _per_channel(
    e: Emitter, x: Value, gain: Constant | None, offset: Constant | None, axis: int = 1
) -> Value:
    """x * gain + offset with one number for each entry of an axis."""
    extents = (-1,) + (1,) * (len(shape_of(x)) - 1 - axis)
    if gain is not None:
        x = e.binary(aten.mul.Tensor, x, e.reshape(gain, _sized(gain, extents)))
    if offset is not None:
        x = e.binary(aten.add.Tensor, x, e.reshape(offset, _sized(offset, extents)))
    return x


def _sized(constant: Constant, extents: tuple[int, ...]) -> tuple[int, ...]:
    return (constant.value.numel(), *extents[1:])


def layer_norm(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    normalized_shape: Sequence[int],
    weight: Constant | None,
    bias: Constant | None,
    eps: float,
) -> Results:
    """NORMALIZE over the last axis, or the last axes as one, then gain and offset."""
    count, shape = math.prod(normalized_shape), shape_of(x)
    flat = e.reshape(x, (*shape[: len(shape) - len(normalized_shape)], count))
    result: Value = e.call(tqs.normalize.default, flat, float(eps))
    gain, offset = (None if c is None else e.reshape(c, (count,)) for c in (weight, bias))
    axis = len(shape_of(result)) - 1
    result = _per_channel(e, result, gain, offset, axis)  # type: ignore[arg-type]
    return e.reshape(result, shape), None, None


def group_norm(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    weight: Constant | None,
    bias: Constant | None,
    batch: int,
    _channels: int,
    _size: int,
    groups: int,
    eps: float,
) -> Results:
    """Each group of channels normalised over its channels and times."""
    flat = e.reshape(x, (batch, groups, math.prod(shape_of(x)) // batch // groups))
    result = e.reshape(e.call(tqs.normalize.default, flat, float(eps)), shape_of(x))
    return _per_channel(e, result, weight, bias), None, None


def instance_norm(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    weight: Constant | None,
    bias: Constant | None,
    _training: bool,
    _momentum: float,
    eps: float,
) -> Results | None:
    """Batch norm without running statistics, for one sequence: each channel over its times."""
    shape = shape_of(x)
    if shape[0] != 1 or len(shape) < 3:
        return None
    flat = e.reshape(x, (*shape[:2], math.prod(shape[2:])))
    result = e.reshape(e.call(tqs.normalize.default, flat, float(eps)), shape)
    return _per_channel(e, result, weight, bias), None, None


def var_mean(
    e: Emitter,
    node: torch.fx.Node,
    x: Value,
    dims: Sequence[int] | None = None,
    *,
    correction: float | None = 1,
    keepdim: bool = False,
) -> Results | None:
    """Variance and mean over one axis."""
    if dims is None or len(dims) != 1 or not keepdim:
        return None
    over = 1.0 if correction is None else float(correction)
    return variance_over(e, x, dims[0], over), mean_over(e, x, dims[0])


HANDLERS: Handlers = {
    aten._native_batch_norm_legit_no_training.default: batch_norm,
    aten._native_batch_norm_legit.no_stats: instance_norm,
    aten.native_layer_norm.default: layer_norm,
    aten.native_group_norm.default: group_norm,
    aten.var_mean.correction: var_mean,
}
