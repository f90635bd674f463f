"""Where the entries of a tensor along one axis come from, through cuts, copies and padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from tqs_edge.graph.graph import Graph, Node, Op

LAYOUT = (Op.RESHAPE, Op.TRANSPOSE)
Made = Mapping[str, Node]


@dataclass(frozen=True)
class Series:
    """Entries `begin` to `end` of `tensor` along `axis` (negative), the first of them `before` more
    times before them and the last `after` more times behind.

    layouts: reshapes and transposes that followed, in order, each with the axis that is this one
    in its output
    """

    tensor: str
    axis: int
    begin: int
    end: int
    before: int = 0
    after: int = 0
    layouts: tuple[tuple[Node, int], ...] = ()


def series_of(graph: Graph, made: Made, tensor: str, axis: int, begin: int, end: int) -> Series:
    """The earliest tensor that has the entries `begin` to `end` of `tensor` along an axis.

    Layout operations that something else reads as well stay before it: they are done anyway.
    """
    series = Series(tensor, axis, begin, end)
    while True:
        whole = _joined(graph, made, series)
        earlier = _before_layout(graph, made, whole)
        if earlier == series:
            return series
        series = earlier


def _joined(graph: Graph, made: Made, series: Series) -> Series:
    """The series of the tensor that this one's tensor joins pieces of; itself where there are
    others among them, or pieces in another order."""
    source, places = _places(graph, made, series.tensor, series.axis)
    inner = places[series.begin : series.end]
    entries = [inner[0]] * series.before + inner + [inner[-1]] * series.after
    begin, end = entries[0], entries[-1] + 1
    before = next(n for n, place in enumerate([*entries, -1]) if place != begin) - 1
    after = next(n for n, place in enumerate([*entries[::-1], -1]) if place != end - 1) - 1
    after = 0 if before == len(entries) - 1 else after
    if entries[before : len(entries) - after] != list(range(begin, end)):
        return series
    is_whole = (begin, end) == (0, graph.shapes[source][series.axis])
    if source == series.tensor or not (before or after or is_whole):
        return series
    return Series(source, series.axis, begin, end, before, after, series.layouts)


def _places(graph: Graph, made: Made, name: str, axis: int) -> tuple[str, list[int]]:
    """A tensor and where along its axis each entry of `name` is."""
    node = made.get(name)
    along = node is not None and node.op in (Op.SLICE, Op.CONCAT) and node.attrs["axis"] == axis
    if node is not None and along and node.op is Op.SLICE:
        source, places = _places(graph, made, node.inputs[0], axis)
        return source, places[node.attrs["begin"] : node.attrs["end"]]
    if node is not None and along and not any(part in graph.constants for part in node.inputs):
        parts = [_places(graph, made, part, axis) for part in node.inputs]
        if len({source for source, _ in parts}) == 1:
            return parts[0][0], [place for _, places in parts for place in places]
    return name, list(range(graph.shapes[name][axis]))


def _before_layout(graph: Graph, made: Made, series: Series) -> Series:
    """The series before the layout operation that makes its tensor; itself without one."""
    node = made.get(series.tensor)
    if node is None or node.op not in LAYOUT or len(graph.consumers(node.name)) != 1:
        return series
    axis = _axis_before(node, graph.shapes[node.inputs[0]], series.axis)
    if axis is None:
        return series
    layouts = ((node, series.axis), *series.layouts)
    return replace(series, tensor=node.inputs[0], axis=axis, layouts=layouts)


def _axis_before(node: Node, shape: Sequence[int], axis: int) -> int | None:
    """Which axis of the input, of `shape`, is the output's; None where it is split or joined."""
    if node.op is Op.TRANSPOSE:
        return int(node.attrs["axes"][axis])
    place = len(node.shape) + axis
    before, extent = prod(node.shape[:place]), node.shape[place]
    found = [d for d, n in enumerate(shape) if n == extent and prod(shape[:d]) == before]
    return found[-1] - len(shape) if found else None
