"""A windowed step as a recurrent one that computes only what a new input row changes.

A window moves on by one row per step, and with it every row of a timed tensor: what was the row of
moment t is then that of moment t - 1. So one row of each timed tensor is computed, and older rows
that a later operation still reads are kept in a state, whose rows move on by Op.PUSH. Tensors that
mix moments (a dense layer over time, say) are computed as a whole from kept rows. No number
changes: each row is computed once instead of once per window that it lies in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.time_axis import TimeAxes, time_axes

LEAST_GAIN = 1.5  # products of the windowed step over those of the streaming one


@dataclass(frozen=True)
class Needed:
    """Rows of moments `oldest` to `newest` that a step reads of a timed tensor."""

    oldest: int
    newest: int

    @property
    def rows(self) -> int:
        """How many they are."""
        return self.newest - self.oldest + 1


def stream(model: RolloutModel) -> RolloutModel:
    """The streaming form of a windowed model; `model` itself where that saves little.

    Contexts stay as they were: `length` rows, now one per step from zero state, after which the
    frames are the windowed model's. Models whose output depends on how rows lie in the window, with
    exogenous inputs or of several rows per step are returned as they are.
    """
    windowed = model.form is RolloutForm.WINDOWED
    if not windowed or model.block != 1 or model.graph.exog or model.graph.states:
        return model
    axes, needed = _analyse(model.graph, model.length)
    graph = _rewritten(model.graph, axes, needed)
    if products(model.graph) < LEAST_GAIN * products(graph):
        return model
    return replace(
        model,
        graph=graph,
        form=RolloutForm.RECURRENT,
        length=1,
        context_length=max(model.length, model.context_length),
    )


def products(graph: Graph) -> int:
    """Multiply-accumulates of all dense nodes in one step."""
    return sum(
        prod(node.shape) * graph.constants[node.weight].shape[1]
        for node in graph.dense_nodes()
        if node.weight is not None
    )


def _analyse(graph: Graph, rows: int) -> tuple[TimeAxes, dict[str, Needed]]:
    """Time axes, and the rows that a step needs of each timed tensor that is needed at all."""
    mixed: set[str] = set()
    while True:
        axes = time_axes(graph, rows, mixed)
        needed, spoilt = _demand(graph, axes)
        if spoilt is None:
            return axes, needed
        mixed.add(spoilt)


def _demand(graph: Graph, axes: TimeAxes) -> tuple[dict[str, Needed], str | None]:
    """The needed rows, and a node of which rows made of padding or out of order are needed."""
    needed: dict[str, Needed] = {}
    alive = {graph.output}

    def demand(name: str, oldest: int, newest: int) -> None:
        alive.add(name)
        if name in needed:
            oldest = min(oldest, needed[name].oldest)
            newest = max(newest, needed[name].newest)
        needed[name] = Needed(oldest, newest)

    def demand_all(name: str) -> None:
        alive.add(name)
        if name in axes.timed:
            time = axes.timed[name]
            demand(name, time.offset, time.offset + graph.shapes[name][time.axis] - 1)

    demand_all(graph.output)
    for node in reversed(graph.nodes):
        if node.name not in alive:
            continue
        if node.name not in axes.timed:
            for name in node.inputs:
                if name not in graph.constants:
                    demand_all(name)
            continue
        time, rows = axes.timed[node.name], needed[node.name]
        one_piece = prod(node.shape[: time.axis]) == 1 or rows.rows == 1
        if rows.oldest < time.first or rows.newest > time.last or not one_piece:
            return needed, node.name
        for read in axes.reads[node.name]:
            oldest = rows.oldest if passes_rows_on(node, axes) else rows.newest
            demand(read.tensor, oldest - read.oldest, rows.newest - read.newest)
    return needed, None


def passes_rows_on(node: Node, axes: TimeAxes) -> bool:
    """Whether the rows of a timed node are rows of its input, as they are: what pads or cuts the
    time axis. Then they are kept there."""
    joins = node.op in (Op.SLICE, Op.CONCAT)
    return joins and bool(node.attrs["axis"] == axes.timed[node.name].axis)


def _rewritten(graph: Graph, axes: TimeAxes, needed: Mapping[str, Needed]) -> Graph:
    writer = _Writer(graph, axes, needed)
    writer.keep(graph.input)
    for node in graph.nodes:
        writer.write(node)
    return writer.finish()


class _Writer:
    """Builds the streaming graph; timed tensors keep their names and have one row."""

    def __init__(self, graph: Graph, axes: TimeAxes, needed: Mapping[str, Needed]) -> None:
        self.graph, self.axes, self.needed = graph, axes, needed
        self.nodes: list[Node] = []
        self.states: list[StateVariable] = []
        self.shapes = {graph.input: self.row_shape(graph.input)}
        self.sources: dict[str, str] = {}  # of tensors whose rows are rows of another

    def row_shape(self, name: str, rows: int = 1) -> tuple[int, ...]:
        """The shape of a timed tensor with that many rows."""
        shape = list(self.graph.shapes[name])
        shape[self.axes.timed[name].axis] = rows
        return tuple(shape)

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        self.shapes[node.name] = node.shape
        return node.name

    def keep(self, name: str) -> None:
        """Keeps older rows of a timed tensor in a state if they are needed."""
        if name not in self.needed or self.needed[name].rows == 1:
            return
        shape = self.row_shape(name, self.needed[name].rows)
        state, update = f"{name}_rows", f"{name}_rows_next"
        attrs = {"axis": self.axes.timed[name].axis}
        self.shapes[state] = shape
        self.states.append(StateVariable(state, update, shape, rows_of=name))
        self.add(Node(update, Op.PUSH, (state, name), shape, attrs))

    def rows(self, name: str, oldest: int, newest: int) -> str:
        """A tensor of these rows of a timed tensor."""
        name = self.sources.get(name, name)
        kept = self.needed[name]
        if oldest == kept.newest:
            return name  # the row that this step makes
        whole = f"{name}_rows_next"
        begin, end = oldest - kept.oldest, newest - kept.oldest + 1
        if end - begin == kept.rows:
            return whole
        view, axis = f"{name}_rows_{begin}_{end}", self.axes.timed[name].axis
        if view not in self.shapes:
            attrs = {"axis": axis, "begin": begin, "end": end}
            self.add(Node(view, Op.SLICE, (whole,), self.row_shape(name, end - begin), attrs))
        return view

    def write(self, node: Node) -> None:
        """Appends what computes `node`, unless nothing needs it."""
        if node.name not in self.axes.timed:
            self.add(replace(node, inputs=tuple(self.whole(name) for name in node.inputs)))
            return
        if node.name not in self.needed:
            return
        newest = self.needed[node.name].newest
        if passes_rows_on(node, self.axes):
            (read,) = self.axes.reads[node.name]
            self.sources[node.name] = self.sources.get(read.tensor, read.tensor)
            if node.name == self.graph.output:
                row = self.rows(node.name, newest, newest)
                self.add(Node(node.name, Op.RESHAPE, (row,), self.row_shape(node.name)))
            return
        views = {
            read.tensor: self.rows(read.tensor, newest - read.oldest, newest - read.newest)
            for read in self.axes.reads[node.name]
        }
        shape = self.row_shape(node.name)
        if self.lies_as_kept(node):
            (view,) = views.values()
            self.add(Node(node.name, Op.RESHAPE, (view,), shape))
        else:
            inputs = tuple(views.get(name, name) for name in node.inputs)
            self.add(replace(node, inputs=inputs, shape=shape))
        self.keep(node.name)

    def lies_as_kept(self, node: Node) -> bool:
        """Whether a row of the node has the numbers of kept rows as they lie."""
        side_by_side = node.op is Op.UNFOLD and node.attrs["dilation"] == 1
        return node.op is Op.RESHAPE or side_by_side

    def whole(self, name: str) -> str:
        """An operand of a node that is computed as a whole: every row of a timed tensor."""
        if name not in self.axes.timed:
            return name
        time = self.axes.timed[name]
        return self.rows(name, time.offset, time.offset + self.graph.shapes[name][time.axis] - 1)

    def finish(self) -> Graph:
        """The graph of what was written, without nodes that nothing reads."""
        output = self.graph.output
        read = {output, *(state.update for state in self.states)}
        nodes: list[Node] = []
        for node in reversed(self.nodes):
            if node.name in read:
                nodes.insert(0, node)
                read |= set(node.inputs)
        constants = _used_constants(nodes, self.graph.constants)
        shapes = {name: shape for name, shape in self.shapes.items() if name in read}
        shapes.setdefault(self.graph.input, self.shapes[self.graph.input])
        return Graph(
            self.graph.input, None, tuple(self.states), output, tuple(nodes), constants, shapes
        )


def _used_constants(
    nodes: list[Node], constants: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    names = {n for node in nodes for n in (*node.inputs, node.weight, node.bias) if n in constants}
    return {name: value for name, value in constants.items() if name in names}
