"""Which tensors of a windowed step have a row for every moment, and of which moments.

A tensor is timed if its row i, along one axis, is made in the same way from input rows around
moment offset + i * period, whatever i is. Moments count input rows: 0 is the window's first row. A
row is called after the newest moment that it depends on. Strides and patches make periods above 1.
Where the window moves on by less than a period, what was a row lies between two rows afterwards:
steps make the rows of all those phases, and read every so many of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import gcd, prod

from tqs_edge.graph.graph import Graph, Node, Op

ELEMENTWISE = frozenset(
    {Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MAXIMUM, Op.MINIMUM, Op.SELECT}
    | {Op.AFFINE, Op.CLAMP, Op.TANH, Op.SIGMOID, Op.RELU, Op.FUNCTION}
)
ALONG_LAST = frozenset((Op.DENSE, Op.SOFTMAX, Op.NORMALIZE, Op.DEVIATION))
REDUCTIONS = frozenset((Op.MEAN, Op.SUM, Op.MAX))


@dataclass(frozen=True)
class Timed:
    """Rows of moments offset, offset + period, ... along `axis` (negative).

    first, last: moments between which rows are made of input rows; outside, of padding too.
    grain: moments between rows that steps make; divides the period, and by how much a window moves
    on. Where it is less than the period, rows of other phases are made too.
    """

    axis: int
    period: int
    offset: int
    first: int
    last: int
    grain: int = 1

    @property
    def phases(self) -> int:
        """How many rows a step makes for each that a window has."""
        return self.period // self.grain


@dataclass(frozen=True)
class Reads:
    """A row of moment t needs the rows of moments t - oldest to t - newest of `tensor`."""

    tensor: str
    oldest: int
    newest: int


@dataclass(frozen=True)
class TimeAxes:
    """Timed tensors by name, and what a row of each needs; the others depend on the whole window
    or are listed as mixed. phased: those that have more phases than what they read."""

    timed: Mapping[str, Timed]
    reads: Mapping[str, tuple[Reads, ...]]
    phased: tuple[str, ...]


def time_axes(graph: Graph, rows: int, push: int, mixed: Collection[str] = ()) -> TimeAxes:
    """The timed tensors of a step whose input has `rows` rows along its axis -2, and whose
    exogenous rows, along the same axis, end with that of moment rows + push - 1.

    push: rows by which the window moves on.
    mixed: nodes that count as depending on the whole window.
    """
    timed = {graph.input: Timed(-2, 1, 0, 0, rows - 1)}
    if graph.exog is not None:
        behind, extent = rows + push, graph.shapes[graph.exog][-2]
        timed[graph.exog] = Timed(-2, 1, behind - extent, behind - extent, behind - 1)
    reads: dict[str, tuple[Reads, ...]] = {}
    phased: list[str] = []
    for node in graph.nodes:
        found = None if node.name in mixed else _timed(graph, node, timed)
        if found is None:
            continue
        time = replace(found[0], grain=gcd(push, found[0].period))
        before = max(timed[read.tensor].phases for read in found[1])
        if time.phases > before == 1 == node.shape[time.axis]:
            continue  # one row of the whole window, no other of which is ever read
        timed[node.name], reads[node.name] = time, found[1]
        if time.phases > before:
            phased.append(node.name)
    return TimeAxes(timed, reads, tuple(phased))


Found = tuple[Timed, tuple[Reads, ...]]


def _timed(graph: Graph, node: Node, timed: Mapping[str, Timed]) -> Found | None:
    """The time axis of a node's output and what its rows read; None where there is no such axis."""
    tensors = [name for name in node.inputs if name not in graph.constants]
    if not tensors or any(name not in timed for name in tensors):
        return None
    x = timed[tensors[0]]
    same = (Reads(tensors[0], 0, 0),)
    if node.op in ELEMENTWISE:
        return _joined(graph, node, timed)
    if node.op in ALONG_LAST:
        return None if x.axis == -1 else (x, same)
    if node.op in REDUCTIONS:
        return None if x.axis == node.attrs["axis"] else (x, same)
    match node.op:
        case Op.SLICE:
            begin = node.attrs["begin"] if node.attrs["axis"] == x.axis else 0
            return replace(x, offset=x.offset + begin * x.period), same
        case Op.CONCAT if node.attrs["axis"] == x.axis:
            return _padded(graph, node, timed)
        case Op.CONCAT:
            return _joined(graph, node, timed)
        case Op.TRANSPOSE:
            axis = tuple(node.attrs["axes"]).index(x.axis) - len(node.shape)
            return replace(x, axis=axis), same
        case Op.RESHAPE:
            moved = _axis_after_reshape(graph.shapes[tensors[0]], x.axis, node.shape)
            if moved is None:
                return None
            axis, group = moved
            return _gathered(tensors[0], replace(x, axis=axis), group - 1, group)
        case Op.MOVING_SUM if x.phases == 1 or node.attrs["axis"] != x.axis:
            return _summed(tensors[0], x, node, graph.shapes[tensors[0]])
        case Op.UNFOLD if x.axis == -2:
            reach = (node.attrs["kernel"] - 1) * node.attrs["dilation"]
            return _gathered(tensors[0], x, reach, node.attrs["stride"])
    return None


def _gathered(name: str, x: Timed, reach: int, stride: int) -> Found:
    """Rows that are made of `reach` + 1 rows of `name` each, `stride` rows of it apart."""
    lag = reach * x.period
    later = Timed(x.axis, x.period * stride, x.offset + lag, x.first + lag, x.last)
    return later, (Reads(name, lag, 0),)


def _summed(name: str, x: Timed, node: Node, shape: tuple[int, ...]) -> Found:
    """Moving sums: along the time axis those that reach over its ends are made of padding."""
    if node.attrs["axis"] != x.axis:
        return x, (Reads(name, 0, 0),)
    lag = (node.attrs["kernel"] - 1) * x.period
    offset = x.offset + lag - node.attrs["before"] * x.period
    first = max(x.first, x.offset) + lag
    last = min(x.last, x.offset + (shape[x.axis] - 1) * x.period)
    return replace(x, offset=offset, first=first, last=last), (Reads(name, lag, 0),)


def _joined(graph: Graph, node: Node, timed: Mapping[str, Timed]) -> Found | None:
    """Rows that are made of the rows with the same index of every input."""
    names = [name for name in node.inputs if name not in graph.constants]
    inputs = [timed[name] for name in names]
    axis, period = inputs[0].axis, inputs[0].period
    if any((x.axis, x.period) != (axis, period) for x in inputs):
        return None
    if len({graph.shapes[name][axis] for name in names}) > 1:
        return None
    for name in node.inputs:
        shape = graph.constants[name].shape if name in graph.constants else ()
        if len(shape) >= -axis and shape[axis] != 1:
            return None  # a constant that differs from row to row
    offset = max(x.offset for x in inputs)
    lags = [offset - x.offset for x in inputs]
    first = max(x.first + lag for x, lag in zip(inputs, lags, strict=True))
    last = min(x.last + lag for x, lag in zip(inputs, lags, strict=True))
    reads = tuple(Reads(name, lag, lag) for name, lag in zip(names, lags, strict=True))
    return Timed(axis, period, offset, first, last), reads


def _padded(graph: Graph, node: Node, timed: Mapping[str, Timed]) -> Found | None:
    """A concatenation along time: its longest timed part, between rows that count as padding."""

    def extent(name: str) -> int:
        shape = graph.constants[name].shape if name in graph.constants else graph.shapes[name]
        return int(shape[node.attrs["axis"]])

    parts = [name for name in node.inputs if name in timed]
    main = max(parts, key=extent)
    if any(timed[name].axis != node.attrs["axis"] for name in parts):
        return None
    before = sum(extent(name) for name in node.inputs[: node.inputs.index(main)])
    x = timed[main]
    first = max(x.first, x.offset)
    last = min(x.last, x.offset + (extent(main) - 1) * x.period)
    return replace(x, offset=x.offset - before * x.period, first=first, last=last), (
        Reads(main, 0, 0),
    )


def _axis_after_reshape(
    old: tuple[int, ...], axis: int, new: tuple[int, ...]
) -> tuple[int, int] | None:
    """Where the axis is in the new shape, with as much before it, and how many of its rows make a
    row there (fewest possible)."""
    position = len(old) + axis
    before, extent = prod(old[:position]), old[position]
    found = [
        (extent // size, index - len(new))
        for index, size in enumerate(new)
        if extent % size == 0 and prod(new[:index]) == before
    ]
    if not found:
        return None
    group, moved = min(found)
    return moved, group
