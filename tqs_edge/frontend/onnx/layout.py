"""ONNX operations that move, join, cut and repeat, and those that make tensors from shapes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tqs_edge.errors import InputError
from tqs_edge.frontend.onnx.node import (
    OnnxNode,
    Operand,
    Operator,
    Result,
    axes_of,
    check_size,
    ints,
    operand,
    take,
)


def _reshape(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    wanted = ints(operands[1])
    if not node.get("allowzero", 0):
        wanted = [x.shape[i] if extent == 0 else extent for i, extent in enumerate(wanted)]
    return x.reshape(wanted)


def _flatten(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    axis = node.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(prod(x.shape[:axis]), -1)


def _squeeze(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    axes = axes_of(node, operands)
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def _unsqueeze(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    axes = axes_of(node, operands) or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _transpose(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    return x.permute(node.get("perm", list(range(x.ndim))[::-1]))


def _concat(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    return operands[0] if len(operands) == 1 else torch.cat(list(operands), node.get("axis"))


def _split(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    axis, sizes = node.get("axis", 0), operand(operands, 1)
    if sizes is not None:
        return torch.split(x, ints(sizes), axis)
    parts = node.get("num_outputs", len(node.outputs))
    return torch.split(x, -(-x.shape[axis] // parts), axis)


def _slice(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    starts, ends = ints(operands[1]), ints(operands[2])
    axes = operand(operands, 3)
    steps = operand(operands, 4)
    for axis, start, end, step in zip(
        range(len(starts)) if axes is None else ints(axes),
        starts,
        ends,
        [1] * len(starts) if steps is None else ints(steps),
        strict=True,
    ):
        x = take(x, axis, list(_places(x.shape[axis], start, end, step)))
    return x


def _places(length: int, start: int, end: int, step: int) -> range:
    """Where start:end:step falls, with the limits of ONNX: an end before all is -length - 1."""
    start, end = (bound + length if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return range(min(max(start, 0), length), min(max(end, 0), length), step)
    return range(min(max(start, 0), length - 1), min(max(end, -1), length - 1), step)


def _gather(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    places = np.asarray(operands[1])
    axis = node.get("axis", 0) % x.ndim
    if places.ndim == 0:
        return x.select(axis, int(places) % x.shape[axis])
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    taken = take(x, axis, ints(places))
    return taken if places.ndim == 1 else taken.reshape(shape)


def _expand(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    shape = np.broadcast_shapes(tuple(x.shape), tuple(ints(operands[1])))
    check_size(node, shape)
    return x if shape == tuple(x.shape) else x.expand(shape)


def _tile(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    repeats = ints(operands[1])
    check_size(node, [a * b for a, b in zip(x.shape, repeats, strict=True)])
    for axis, repeat in enumerate(repeats):
        x = torch.cat([x] * repeat, axis) if repeat != 1 else x
    return x


def _pad(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    pads, value, axes = ints(operands[1]), operand(operands, 2), operand(operands, 3)
    given = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in ints(axes)]
    before, after = (dict(zip(given, half, strict=True)) for half in np.split(np.array(pads), 2))
    check_size(node, [n + before.get(i, 0) + after.get(i, 0) for i, n in enumerate(x.shape)])
    mode = node.get("mode", "constant")
    if mode == "constant":
        amounts = [int(a.get(i, 0)) for i in reversed(range(x.ndim)) for a in (before, after)]
        fill = 0.0 if value is None or not np.size(value) else float(np.reshape(value, -1)[0])
        return functional.pad(x, amounts, value=fill)
    if mode not in ("edge", "reflect", "wrap"):
        raise node.unsupported(f"with mode '{mode}'", "pad with zeros, edge values or reflection")
    for axis in given:
        places = np.pad(np.arange(x.shape[axis]), (before[axis], after[axis]), mode=mode)
        x = take(x, axis, ints(places))
    return x


def _cast(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    from onnx import helper

    x: torch.Tensor = operands[0]
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(node.get("to")))
    try:
        wanted = torch.from_numpy(np.zeros(0, kind)).dtype
    except TypeError as error:
        raise node.unsupported(f"to {kind}", "use float32") from error
    return x if wanted == x.dtype else _converted(x, wanted)


def _converted(x: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """The tensor in another type; x.to() would leave an assertion in the exported program."""
    copied: torch.Tensor = torch.ops.aten._to_copy.default(x, dtype=kind)
    return copied


def _cast_like(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    wanted = operands[1].dtype
    return x if wanted == x.dtype else _converted(x, wanted)


def _same(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    return x


def _dropout(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    training = operand(operands, 2)
    if training is not None and bool(np.all(training)):
        raise InputError(
            f"node '{node.name}' drops values at random; call model.eval() before exporting"
        )
    x: torch.Tensor = operands[0]
    return (x, torch.ones_like(x, dtype=torch.bool)) if len(node.outputs) > 1 else x


def _constant_of_shape(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    shape, value = ints(operands[0]), node.get("value", np.zeros(1, np.float32))
    check_size(node, shape)
    return torch.from_numpy(np.full(shape, value.reshape(-1)[0], value.dtype))


def _range(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    start, limit, step = (np.asarray(value).reshape(-1)[0] for value in operands)
    check_size(node, [max(0, int((limit - start) / step) + 1)])
    return torch.from_numpy(np.arange(start, limit, step, dtype=np.asarray(start).dtype))


def _trilu(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    diagonal = operand(operands, 1)
    keep = torch.triu if node.get("upper", 1) else torch.tril
    return keep(operands[0], 0 if diagonal is None else ints(diagonal)[0])


def constant_value(node: OnnxNode) -> Any:
    """The array that a Constant node holds, or None for text and sparse tensors."""
    for key, kind in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if key in node.attributes:
            return np.array(node.attributes[key], kind)
    return node.get("value")


OPERATORS: dict[str, Operator] = {
    "Reshape": Operator(_reshape, static=(1,)),
    "Flatten": Operator(_flatten),
    "Squeeze": Operator(_squeeze, static=(1,)),
    "Unsqueeze": Operator(_unsqueeze, static=(1,)),
    "Transpose": Operator(_transpose),
    "Concat": Operator(_concat),
    "Split": Operator(_split, static=(1,)),
    "Slice": Operator(_slice, static=(1, 2, 3, 4)),
    "Gather": Operator(_gather, static=(1,)),
    "Expand": Operator(_expand, static=(1,)),
    "Tile": Operator(_tile, static=(1,)),
    "Pad": Operator(_pad, static=(1, 2, 3)),
    "Cast": Operator(_cast),
    "CastLike": Operator(_cast_like),
    "Identity": Operator(_same),
    "Dropout": Operator(_dropout, static=(1, 2)),
    "ConstantOfShape": Operator(_constant_of_shape, static=(0,)),
    "Range": Operator(_range, static=(0, 1, 2)),
    "Trilu": Operator(_trilu, static=(1,)),
}
