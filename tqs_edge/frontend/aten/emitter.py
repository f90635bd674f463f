"""Emits the operations of the graph, simplified where they meet, with transposes moved late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tqs_edge.frontend.aten.graph_builder import GraphBuilder
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import (
    Constant,
    Operand,
    Value,
    inverse,
    shape_of,
    uniform_value,
)

aten = torch.ops.aten
EXTREMES = (aten.maximum.default, aten.minimum.default)
COMMUTATIVE = (aten.add.Tensor, aten.mul.Tensor, *EXTREMES)
WITH_NUMBERS = (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor)


class Emitter(GraphBuilder):
    """Emits operations of the graph and knows things about their tensors.

    Transposes sink below elementwise operations, slices, concatenations and reductions, so that
    those of neighbouring layers meet and cancel. copies: a tensor that only repeats another
    one -> that one, which broadcasting operations read instead. facts: what rewrites remember of
    tensors (see `variance`).
    """

    def __init__(self, example: torch.Tensor) -> None:
        super().__init__(example)
        self.copies: dict[torch.fx.Node, Value] = {}
        self.facts: dict[torch.fx.Node, Any] = {}

    # Layout

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """x with another shape, row-major, past any reshape that made x."""
        shape = tuple(shape)
        if isinstance(x, Constant):
            return Constant(x.value.reshape(shape), x.path)
        while x.target is aten.reshape.default:
            x = x.args[0]  # type: ignore[assignment]
        inner, axes = self.unpermuted(x)
        if inner is not x and _extents(shape) == _extents(shape_of(x)):
            placed = tuple(i for i, extent in enumerate(shape) if extent != 1)
            moved = [axis for axis in axes if shape_of(inner)[axis] != 1]
            order, before = list(range(len(shape))), list(shape)
            for place, axis in zip(placed, moved, strict=True):
                order[place] = placed[sorted(moved).index(axis)]
                before[order[place]] = shape[place]
            return self.permute(self.reshape(inner, before), order)
        return x if shape_of(x) == shape else self.call(aten.reshape.default, x, shape)

    def permute(self, x: Value, axes: Sequence[int]) -> Value:
        """x with axis i taken from its axis axes[i]; permutations of permutations become one."""
        axes = tuple(axis % len(shape_of(x)) for axis in axes)
        if isinstance(x, Constant):
            if x.value.ndim == 2 and axes == (1, 0):
                return x.transposed()
            return Constant(x.value.permute(axes).contiguous(), x.path)
        inner, first = self.unpermuted(x)
        axes = tuple(first[axis] for axis in axes)
        if axes == tuple(range(len(axes))):
            return inner
        if moves_units_only(shape_of(inner), axes):
            return self.reshape(inner, [shape_of(inner)[axis] for axis in axes])
        return self.call(aten.permute.default, inner, axes)

    def unpermuted(self, x: torch.fx.Node) -> tuple[torch.fx.Node, tuple[int, ...]]:
        """(y, axes) with x = y.permute(axes)."""
        if x.target is aten.permute.default:
            return x.args[0], tuple(x.args[1])  # type: ignore[return-value,arg-type]
        return x, tuple(range(len(shape_of(x))))

    def swap_last(self, x: Value) -> Value:
        """x with its last two axes swapped."""
        rank = len(shape_of(x))
        return self.permute(x, [*range(rank - 2), rank - 1, rank - 2])

    def to_last(self, x: Value, axis: int) -> tuple[Value, tuple[int, ...]]:
        """(x with `axis` last, the axes that put it back)."""
        rank = len(shape_of(x))
        order = (*(i for i in range(rank) if i != axis % rank), axis % rank)
        return self.permute(x, order), inverse(order)

    def slice(self, x: Value, axis: int, begin: int, end: int) -> Value:
        """x[begin:end] along an axis, read from the one part of a concatenation that holds it."""
        axis %= len(shape_of(x))
        if isinstance(x, Constant):
            return Constant(x.value.narrow(axis, begin, end - begin), x.path)
        if (begin, end) == (0, shape_of(x)[axis]):
            return x
        inner, axes = self.unpermuted(x)
        if inner is not x:
            return self.permute(self.slice(inner, axes[axis], begin, end), axes)
        source: Any = x.args[0] if x.args else None
        if x.target is aten.reshape.default and shape_of(x)[axis] != 1:
            if _extents(shape_of(source)) == _extents(shape_of(x)):
                return self._slice_below_reshape(x, axis, begin, end)
        if x.target is aten.slice.Tensor and x.args[1] == axis:
            offset: Any = x.args[2]
            return self.slice(source, axis, begin + offset, end + offset)
        if x.target is aten.cat.default and x.args[1] == axis:
            at = 0
            for part in x.args[0]:  # type: ignore[union-attr]
                extent = shape_of(part)[axis]  # type: ignore[arg-type]
                if at <= begin and end <= at + extent:
                    known = self.constants.get(part, part)  # type: ignore[arg-type]
                    return self.slice(known, axis, begin - at, end - at)  # type: ignore[arg-type]
                at += extent
        return self.call(aten.slice.Tensor, x, axis, begin, end)

    def _slice_below_reshape(self, x: torch.fx.Node, axis: int, begin: int, end: int) -> Value:
        """A slice of a tensor that only gained or lost axes of extent 1, taken before that."""
        source: Any = x.args[0]
        count = sum(extent != 1 for extent in shape_of(x)[:axis])
        places = [i for i, extent in enumerate(shape_of(source)) if extent != 1]
        part = self.slice(source, places[count], begin, end)
        shape = [*shape_of(x)[:axis], end - begin, *shape_of(x)[axis + 1 :]]
        return self.reshape(part, shape)

    def cat(self, parts: Sequence[Value], axis: int) -> Value:
        """Parts laid side by side along an axis."""
        axis %= len(shape_of(parts[0]))
        parts = [part for part in parts if shape_of(part)[axis]]
        if len(parts) == 1:
            return parts[0]
        tensors = [part for part in parts if isinstance(part, torch.fx.Node)]
        if not tensors:
            value = torch.cat([part.value for part in parts if isinstance(part, Constant)], axis)
            return Constant(value, parts[0].path)  # type: ignore[union-attr]
        orders = {self.unpermuted(p)[1] for p in tensors if p.target is aten.permute.default}
        order = next(iter(orders), ())
        if len(orders) == 1:
            moved = [self._moved(part, inverse(order)) for part in parts]
            if None not in moved:
                return self.permute(self.call(aten.cat.default, moved, order[axis]), order)
        return self.call(aten.cat.default, list(parts), axis)

    # Arithmetic

    def unary(self, target: Any, x: Value, *args: Any) -> Value:
        """An elementwise operation of one tensor."""
        if isinstance(x, Constant):
            return Constant(target(x.value, *args), x.path)
        inner, axes = self.unpermuted(x)
        return self.permute(self.call(target, inner, *args), axes)

    def function(self, x: Value, name: str) -> Value:
        """A function of graph.functions, elementwise."""
        return self.unary(tqs.function.default, x, name)

    def affine(self, x: Value, scale: float, offset: float = 0.0) -> Value:
        """x * scale + offset."""
        scaled = x if scale == 1 else self.binary(aten.mul.Tensor, x, scale)
        return scaled if offset == 0 else self.binary(aten.add.Tensor, scaled, offset)

    def binary(self, target: Any, a: Operand, b: Operand) -> Value:
        """An elementwise operation with broadcasting; a number stands for a uniform constant."""
        if target in EXTREMES and a is b and isinstance(a, torch.fx.Node):
            return a
        a, b = _beside(a, b), _beside(b, a)
        if not isinstance(a, torch.fx.Node) and not isinstance(b, torch.fx.Node):
            left, right = (v.value if isinstance(v, Constant) else v for v in (a, b))
            known = a if isinstance(a, Constant) else b
            assert isinstance(known, Constant)
            return Constant(target(torch.as_tensor(left, dtype=torch.float32), right), known.path)
        shapes = [() if isinstance(v, int | float) else shape_of(v) for v in (a, b)]
        result = tuple(np.broadcast_shapes(*shapes))
        if target in WITH_NUMBERS:
            a, b = _number(a, shapes[1], result), _number(b, shapes[0], result)
        a = self._narrowed(a, b, result)
        b = self._narrowed(b, a, result)  # beside what a is now: one of them keeps the shape
        if target is aten.sub.Tensor and isinstance(a, int | float):
            assert not isinstance(b, int | float)
            return self.affine(b, -1.0, float(a))
        if target in COMMUTATIVE and not isinstance(a, torch.fx.Node):
            a, b = b, a
        return self._aligned(target, a, b)

    def _narrowed(self, x: Operand, other: Operand, result: tuple[int, ...]) -> Operand:
        """x without repetitions that the broadcast makes anyway."""
        beside = () if isinstance(other, int | float) else shape_of(other)
        if isinstance(x, torch.fx.Node) and x in self.copies:
            source = self.copies[x]
            if np.broadcast_shapes(shape_of(source), beside) == result:
                return source
        return x

    def _aligned(self, target: Any, a: Operand, b: Operand) -> Value:
        """The operation below the transposes of its operands where they agree."""
        operands = [a, b]
        orders = {
            self.unpermuted(v)[1]
            for v in operands
            if isinstance(v, torch.fx.Node) and v.target is aten.permute.default
        }
        rank = max(len(shape_of(v)) for v in operands if not isinstance(v, int | float))
        order = next(iter(orders), ())
        if len(orders) == 1 and len(order) == rank:
            back = inverse(order)
            moved = [self._moved(v, back) for v in operands]
            if None not in moved:
                return self.permute(self.call(target, *moved), order)
        return self.call(target, a, b)

    def _moved(self, x: Operand, axes: tuple[int, ...]) -> Operand | None:
        """x transposed at no cost, or None."""
        if isinstance(x, int | float):
            return x
        shape = shape_of(x)
        x = self.reshape(x, (1,) * (len(axes) - len(shape)) + shape)
        moved = self.permute(x, axes)
        free = isinstance(moved, Constant) or moved.target is not aten.permute.default
        return moved if free else None

    def reduce(self, target: Any, x: Value, axes: Sequence[int]) -> Value:
        """aten mean, sum or amax over axes, which stay with extent 1."""
        assert isinstance(x, torch.fx.Node)
        rank = len(shape_of(x))
        wanted = sorted(axis % rank for axis in axes)
        kept = [1 if i in wanted else extent for i, extent in enumerate(shape_of(x))]
        wanted = [axis for axis in wanted if shape_of(x)[axis] != 1]
        if not wanted:
            return x
        first, last = wanted[0], wanted[-1]
        if len(wanted) > 1 and wanted == list(range(first, last + 1)):
            shape = shape_of(x)
            merged = math.prod(shape[first : last + 1])
            flat = self.reshape(x, (*shape[:first], merged, *shape[last + 1 :]))
            return self.reshape(self.reduce(target, flat, [first]), kept)
        for axis in wanted:
            assert isinstance(x, torch.fx.Node)
            inner, order = self.unpermuted(x)
            over = order[axis] - rank
            x = self.permute(self.call(target, inner, [over], True), order)
        return x

    def dense(self, x: Value, weight: Constant, bias: Constant | None = None) -> Value:
        """x @ weight^T [+ bias] over the last axis."""
        if isinstance(x, Constant):
            value = torch.nn.functional.linear(
                x.value, weight.value, None if bias is None else bias.value
            )
            return Constant(value, f"{weight.path}.product")
        args = [weight] if bias is None else [weight, bias]
        return self.call(tqs.dense.default, x, *args)


def moves_units_only(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether a permutation keeps the row-major order, so that it is a reshape."""
    moved = [axis for axis in axes if shape[axis] != 1]
    return moved == sorted(moved)


def _beside(x: Operand, other: Operand) -> Operand:
    """x, a constant of truth values or whole numbers as float32 where `other` is a tensor."""
    counts = isinstance(x, Constant) and not x.value.is_floating_point()
    if isinstance(x, Constant) and counts and isinstance(other, torch.fx.Node):
        return Constant(x.value.to(torch.float32), x.path)
    return x


def _number(x: Operand, beside: tuple[int, ...], result: tuple[int, ...]) -> Operand:
    """A constant of equal entries that broadcasting does not need the shape of, as a number."""
    if isinstance(x, Constant) and beside == result:
        number = uniform_value(x.value)
        return x if number is None else number
    return x


def _extents(shape: Sequence[int]) -> list[int]:
    return [extent for extent in shape if extent != 1]
