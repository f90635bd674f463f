"""Elementwise maps by constants, y = scale * x + offset, and how they pass other operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.layout import move

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class ElementwiseMap:
    """y = scale * x + offset, elementwise: two float64 arrays in the shape of x.

    A scale that may be any, as that of zeros, is NaN.
    """

    scale: np.ndarray
    offset: np.ndarray

    def is_identity(self) -> bool:
        """Whether y = x."""
        return bool((self.scale == 1).all() and not self.offset.any())


def map_of_shape(shape: tuple[int, ...], scale: ArrayLike, offset: ArrayLike) -> ElementwiseMap:
    """The map of a tensor of `shape` with constants that broadcast to it."""
    scales, offsets = np.asarray(scale, np.float64), np.asarray(offset, np.float64)
    return ElementwiseMap(np.broadcast_to(scales, shape), np.broadcast_to(offsets, shape))


def map_of_node(graph: Graph, node: Node) -> tuple[str, ElementwiseMap] | None:
    """(operand, map) of a node that computes one of a tensor in the tensor's shape, else None."""
    if node.op is Op.AFFINE:
        mapped = map_of_shape(node.shape, node.attrs["scale"], node.attrs["offset"])
        return node.inputs[0], mapped
    tensors = [name for name in node.inputs if name not in graph.constants]
    if node.op not in (Op.MUL, Op.ADD, Op.SUB) or len(tensors) != 1 or len(node.inputs) != 2:
        return None
    operand = tensors[0]
    if graph.shapes[operand] != node.shape:
        return None
    first = node.inputs[0] == operand
    constant = graph.constants[node.inputs[1 if first else 0]].astype(np.float64)
    if node.op is Op.MUL:
        return operand, map_of_shape(node.shape, constant, 0.0)
    if node.op is Op.SUB:
        signs = (1.0, -1.0) if first else (-1.0, 1.0)
        return operand, map_of_shape(node.shape, signs[0], signs[1] * constant)
    return operand, map_of_shape(node.shape, 1.0, constant)


def reduced(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array of `shape` that broadcasts to `array`, whose NaN stand for any number; None where
    there is none."""
    lead = array.ndim - len(shape)
    if lead < 0:
        return None
    extents = (1,) * lead + shape
    axes = tuple(axis for axis, extent in enumerate(extents) if extent != array.shape[axis])
    if any(extents[axis] != 1 for axis in axes):
        return None
    low = np.fmin.reduce(array, axes, keepdims=True) if axes else array
    high = np.fmax.reduce(array, axes, keepdims=True) if axes else array
    alike = bool(((low == high) | np.isnan(low)).all())
    return np.where(np.isnan(low), 1.0, low).reshape(shape) if alike else None


def moved(node: Node, mapped: ElementwiseMap) -> ElementwiseMap:
    """The map of what a layout operation of one tensor makes of a mapped one."""
    import torch

    def result(array: np.ndarray) -> np.ndarray:
        return np.asarray(move(node, [torch.from_numpy(array.copy())], array.ndim).numpy())

    return ElementwiseMap(result(mapped.scale), result(mapped.offset))


def joined(graph: Graph, concat: Node, tensor: str, mapped: ElementwiseMap) -> ElementwiseMap:
    """The map of a concatenation of which only the part `tensor` is mapped; of zeros the factor
    may be any, NaN."""
    parts = []
    for name in concat.inputs:
        if name in graph.constants:
            constant = graph.constants[name]
            parts.append(map_of_shape(constant.shape, np.where(constant == 0, np.nan, 1.0), 0.0))
        else:
            other = map_of_shape(graph.shapes[name], 1.0, 0.0)
            parts.append(mapped if name == tensor else other)
    axis = concat.attrs["axis"]
    return ElementwiseMap(
        np.concatenate([part.scale for part in parts], axis),
        np.concatenate([part.offset for part in parts], axis),
    )


def together(a: ElementwiseMap, b: ElementwiseMap) -> ElementwiseMap | None:
    """Two maps of one tensor that change different elements of it, as one; else None."""
    free = np.isnan(a.scale) & np.isnan(b.scale)
    scales = [np.where(np.isnan(one.scale), 1.0, one.scale) for one in (a, b)]
    changed = [
        (scale != 1.0) | (one.offset != 0.0) for scale, one in zip(scales, (a, b), strict=True)
    ]
    if (changed[0] & changed[1]).any():
        return None
    scale = np.where(free, np.nan, scales[0] * scales[1])
    return ElementwiseMap(scale, a.offset + b.offset)


def map_of_operand(graph: Graph, node: Node, mapped: ElementwiseMap) -> ElementwiseMap | None:
    """The map of the only operand of `node` that maps its result by `mapped`, or None."""
    shape = graph.shapes[node.inputs[0]]
    scale, offset = mapped.scale, mapped.offset
    match node.op:
        case Op.RESHAPE:
            return ElementwiseMap(scale.reshape(shape), offset.reshape(shape))
        case Op.TRANSPOSE:
            order = np.argsort([axis + len(shape) for axis in node.attrs["axes"]])
            return ElementwiseMap(scale.transpose(order), offset.transpose(order))
        case Op.SLICE:
            rest = [(0, 0)] * len(shape)
            axis = node.attrs["axis"]
            rest[axis] = (node.attrs["begin"], shape[axis] - node.attrs["end"])
            return ElementwiseMap(np.pad(scale, rest, constant_values=1.0), np.pad(offset, rest))
        case Op.SUM if not offset.any():
            return map_of_shape(shape, scale, 0.0)
        case Op.MEAN:
            return map_of_shape(shape, scale, offset)
        case Op.RELU if (scale > 0).all() and not offset.any():
            return mapped
    return None
