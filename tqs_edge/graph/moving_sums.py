"""Moving sums and averages, however a model writes them, as one operation each.

Pooling unfolds its windows and reduces each, a convolution with equal weights multiplies before
that, and a difference of cumulative sums multiplies by a triangle of ones. Op.MOVING_SUM says what
is meant: neighbouring sums share all but two of their terms. Series whose ends are repeated before
they are averaged (the decomposition of Wu et al., Autoformer, NeurIPS 2021) it reads as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.series import LAYOUT, Made, series_of
from tqs_edge.graph.unread import without_unread


@dataclass(frozen=True)
class MovingSum:
    """gain * sums of `kernel` neighbours of entries `begin` to `end` of `tensor` along `axis`."""

    tensor: str
    axis: int
    kernel: int
    begin: int
    end: int
    gain: float = 1.0


def find_moving_sums(graph: Graph) -> Graph:
    """`graph` with every moving sum as Op.MOVING_SUM; itself where there is none, or no width
    would be left to choose."""
    made = {node.name: node for node in graph.nodes}
    nodes: list[Node] = []
    for node in graph.nodes:
        found = _moving_sum(graph, made, node)
        nodes += [node] if found is None else _written(graph, made, node, found)
    if len(nodes) == len(graph.nodes):
        return graph
    rewritten = _with_nodes(graph, nodes)
    rewritten = _with_nodes(rewritten, _with_gains_inside(rewritten))
    rewritten = _with_nodes(rewritten, _with_layouts_cancelled(rewritten))
    return rewritten if rewritten.dense_nodes() or rewritten.states else graph


def _with_nodes(graph: Graph, nodes: list[Node]) -> Graph:
    shapes = {**graph.shapes, **{node.name: node.shape for node in nodes}}
    return without_unread(replace(graph, nodes=tuple(nodes), shapes=shapes))


def _moving_sum(graph: Graph, made: Made, node: Node) -> MovingSum | None:
    """The moving sums that the node computes, if it does; of at least two terms each."""
    match node.op:
        case Op.MEAN | Op.SUM:
            found = _reduced_windows(graph, made, node)
        case Op.DENSE:
            found = _weighted_windows(graph, made, node)
        case Op.SUB:
            found = _cumulative_difference(graph, made, node)
        case _:
            found = None
    return found if found is not None and found.kernel > 1 and found.gain > 0.0 else None


def _reduced_windows(graph: Graph, made: Made, node: Node) -> MovingSum | None:
    """The mean or sum over the places of every window."""
    name, gain = _scaled(made, node.inputs[0])
    terms = graph.shapes[name][node.attrs["axis"]]
    split = made.get(name)
    if split is not None and split.op is Op.RESHAPE and node.attrs["axis"] == -2:
        name, inner = _scaled(made, split.inputs[0])
        found, gain = _windows(graph, made, name, split.shape[-1]), gain * inner
        same_rows = found is not None and split.shape[:-2] == graph.shapes[name][:-1]
    else:
        found = _windows(graph, made, name, 1) if node.attrs["axis"] == -1 else None
        same_rows = True
    if found is None or found.kernel != terms or not same_rows:
        return None
    return replace(found, gain=gain / terms if node.op is Op.MEAN else gain)


def _weighted_windows(graph: Graph, made: Made, node: Node) -> MovingSum | None:
    """A convolution of one channel whose weights are equal."""
    assert node.weight is not None
    found = _windows(graph, made, node.inputs[0], 1)
    weight = graph.constants[node.weight]
    if found is None or node.bias is not None or len(weight) > 1 or np.ptp(weight) > 0:
        return None
    return replace(found, gain=float(weight.flat[0]))


def _windows(graph: Graph, made: Made, name: str, channels: int) -> MovingSum | None:
    """The sums of the windows that `name` holds side by side, one row apart."""
    node = made.get(name)
    if node is None or node.op is not Op.UNFOLD:
        return None
    (source,), attrs = node.inputs, node.attrs
    shape = graph.shapes[source]
    if shape[-1] != channels or (attrs["stride"], attrs["dilation"]) != (1, 1):
        return None
    return MovingSum(source, -2, attrs["kernel"], 0, shape[-2])


def _cumulative_difference(graph: Graph, made: Made, node: Node) -> MovingSum | None:
    """c[t + a + kernel] - c[t + a] of the sums c[t] of all that lies before t and at it."""
    later, sooner = (made.get(name) for name in node.inputs)
    for part in (later, sooner):
        if part is None or part.op is not Op.SLICE or part.attrs["axis"] != -1:
            return None
    assert later is not None and sooner is not None
    total = made.get(later.inputs[0])
    if later.inputs != sooner.inputs or total is None or not _is_cumulative(graph, total):
        return None
    begin, kernel = sooner.attrs["begin"] + 1, later.attrs["begin"] - sooner.attrs["begin"]
    if later.shape != sooner.shape or kernel < 1:
        return None
    return MovingSum(total.inputs[0], -1, kernel, begin, later.attrs["end"])


def _is_cumulative(graph: Graph, node: Node) -> bool:
    """Whether the node is a triangle of ones."""
    if node.op is not Op.DENSE or node.bias is not None:
        return False
    assert node.weight is not None
    weight = graph.constants[node.weight]
    return weight.shape[0] == weight.shape[1] and bool((weight == np.tri(len(weight))).all())


def _scaled(made: Made, name: str) -> tuple[str, float]:
    """(tensor, factor) of what is a tensor times a positive number, or the tensor itself."""
    node = made.get(name)
    if node is None or node.op is not Op.AFFINE or node.attrs["offset"] != 0.0:
        return name, 1.0
    return node.inputs[0], float(node.attrs["scale"])


def _written(graph: Graph, made: Made, node: Node, found: MovingSum) -> list[Node]:
    """Nodes that end in `node` and compute it as moving sums."""
    place = (found.tensor, found.axis, found.begin, found.end)
    series = series_of(graph, made, *place)
    nodes: list[Node] = []
    shape = list(graph.shapes[series.tensor])

    def add(suffix: str, op: Op, source: str, **attrs: object) -> str:
        name = f"{node.name}_{suffix}"
        while name in graph.shapes:
            name += "_"
        nodes.append(Node(name, op, (source,), tuple(shape), attrs))
        return name

    last, extent = series.tensor, series.end - series.begin
    if extent < shape[series.axis]:
        shape[series.axis] = extent
        cut = {"axis": series.axis, "begin": series.begin, "end": series.end}
        last = add("series", Op.SLICE, last, **cut)
    count = extent + series.before + series.after - found.kernel + 1
    shape[series.axis] = count
    ends = {"before": series.before, "after": series.after}
    sums = {"axis": series.axis, "kernel": found.kernel, **ends, "gain": found.gain}
    last = add("sums", Op.MOVING_SUM, last, **sums)
    for layout, axis in series.layouts:
        shape = list(layout.shape)
        shape[axis] = count
        last = add(f"laid_{len(nodes)}", layout.op, last, **layout.attrs)
    return [*nodes, Node(node.name, Op.RESHAPE, (last,), node.shape)]


def _with_gains_inside(graph: Graph) -> list[Node]:
    """The nodes with factors behind moving sums, which nothing else reads, as their gains."""
    nodes = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        _, gain = _scaled(nodes, node.name)
        sums = nodes.get(node.inputs[0]) if node.op is Op.AFFINE else None
        while sums and sums.op in LAYOUT and _is_read_once(graph, sums):
            sums = nodes.get(sums.inputs[0])
        inside = sums and sums.op is Op.MOVING_SUM and _is_read_once(graph, sums)
        if not sums or not inside or node.attrs["offset"] != 0.0 or gain <= 0.0:
            continue
        attrs = {**sums.attrs, "gain": sums.attrs["gain"] * gain}
        nodes[sums.name] = replace(sums, attrs=attrs)
        nodes[node.name] = Node(node.name, Op.RESHAPE, node.inputs, node.shape)
    return list(nodes.values())


def _is_read_once(graph: Graph, node: Node) -> bool:
    carried = {graph.output, *(state.update for state in graph.states)}
    return node.name not in carried and len(graph.consumers(node.name)) == 1


def _with_layouts_cancelled(graph: Graph) -> list[Node]:
    """The nodes, transposes that bring moving sums back into the order they are made in as
    reshapes of them, which need no copy."""
    made = {node.name: node for node in graph.nodes}

    def undone(node: Node) -> Node:
        chain = [node]
        while (source := made.get(chain[0].inputs[0])) is not None and source.op in LAYOUT:
            chain.insert(0, source)
        if source is None or source.op is not Op.MOVING_SUM:
            return node
        order = np.arange(prod(source.shape)).reshape(source.shape)
        for step in chain:
            if step.op is Op.TRANSPOSE:
                order = order.transpose([axis + order.ndim for axis in step.attrs["axes"]])
            order = order.reshape(step.shape)
        kept = bool((order.ravel() == np.arange(order.size)).all())
        return Node(node.name, Op.RESHAPE, (source.name,), node.shape) if kept else node

    return [undone(node) if node.op is Op.TRANSPOSE else node for node in graph.nodes]
