"""A windowed step as a recurrent one that computes only what new input rows change.

A window moves on by the K rows that a step yields, and with it every row of a timed tensor: what
was the row of moment t is then that of moment t - K. So the newest rows of each timed tensor are
computed, K in number or fewer after strides, and older rows that a later operation still reads are
kept in a state, whose rows move on by Op.PUSH. Exogenous rows move on alike: a step takes the K
that are new, of the moments that it forecasts. Tensors that mix moments (a dense layer over time,
say) are computed as a whole from kept rows. No number changes: each row is computed once instead of
once per window that it lies in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

from tqs_edge.graph.gather_rows import Gathering, gather, gathering
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.needed_rows import (
    Needed,
    needed_rows,
    oldest_moments,
    passes_rows_on,
)
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.time_axis import TimeAxes
from tqs_edge.graph.unread import without_unread

LEAST_GAIN = 1.5  # products of the windowed step over those of the streaming one
KEPT_PRICE = 2  # products by number: one for each byte


def stream(model: RolloutModel) -> RolloutModel:
    """The streaming form of a windowed model; `model` itself where that saves little."""
    if model.form is not RolloutForm.WINDOWED or model.graph.states:
        return model
    streamed = streaming_form(model)
    gains = products(model.graph) >= LEAST_GAIN * products(streamed.graph)
    return streamed if gains else model


def streaming_form(model: RolloutModel, kept_price: int = KEPT_PRICE) -> RolloutModel:
    """A windowed model so that a step takes K new rows and keeps what else it needs.

    Contexts stay as they were: `length` rows, now K per step from zero state, after which the
    frames are the windowed model's. Where exogenous rows of the context's first moments count,
    steps on zeros before the context bring them in. kept_price: products that a number has to save
    in each step to be kept for more phases than a window has.
    """
    whole = _computed_whole(model, kept_price)
    axes, needed = needed_rows(model.graph, model.length, model.block, whole)
    streamed = replace(
        model,
        graph=_rewritten(model.graph, axes, needed),
        form=RolloutForm.RECURRENT,
        length=model.block,
        context_length=max(model.length, model.context_length),
        window=model.length,
    )
    exog = model.graph.exog
    if exog is None:
        return streamed
    oldest = oldest_moments(model.graph, axes, needed)[exog]
    return replace(
        streamed,
        exog=prod(streamed.graph.shapes[exog]),
        exog_rows=needed[exog].made,
        context_length=max(streamed.context_length, needed[exog].newest + 1 - oldest),
    )


def _computed_whole(model: RolloutModel, kept_price: int) -> set[str]:
    """Of the nodes that begin more phases (see time_axis), those of which every row of the window
    is better computed in each step than one row, kept with the rows of all phases."""
    phased = needed_rows(model.graph, model.length, model.block)[0].phased

    def price(whole: set[str]) -> int:
        axes, needed = needed_rows(model.graph, model.length, model.block, whole)
        graph = _rewritten(model.graph, axes, needed)
        return products(graph) + kept_price * sum(prod(state.shape) for state in graph.states)

    if not phased:
        return set()
    best, whole = min((price(trial), sorted(trial)) for trial in (set(phased), set[str]()))
    for name in phased:
        trial = set(whole) ^ {name}
        if (found := price(trial)) < best:
            best, whole = found, sorted(trial)
    return set(whole)


def products(graph: Graph) -> int:
    """Multiply-accumulates of all dense nodes in one step."""
    return sum(
        prod(node.shape) * graph.constants[node.weight].shape[1]
        for node in graph.dense_nodes()
        if node.weight is not None
    )


def _rewritten(graph: Graph, axes: TimeAxes, needed: Mapping[str, Needed]) -> Graph:
    writer = _Writer(graph, axes, needed)
    for name in writer.outside:
        writer.keep(name)
    for node in graph.nodes:
        writer.write(node)
    return writer.finish()


class _Writer:
    """Builds the streaming graph; timed tensors keep their names and have the rows made."""

    def __init__(self, graph: Graph, axes: TimeAxes, needed: Mapping[str, Needed]) -> None:
        self.graph, self.axes, self.needed = graph, axes, needed
        self.nodes: list[Node] = []
        self.states: list[StateVariable] = []
        self.outside = (graph.input, *([] if graph.exog is None else [graph.exog]))
        self.shapes = {name: self.shape_of(name, needed[name].made) for name in self.outside}
        self.sources: dict[str, str] = {}  # of tensors whose rows are rows of another

    def shape_of(self, name: str, rows: int) -> tuple[int, ...]:
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
        needed = self.needed[name]
        if needed.rows == needed.made:
            return
        shape = self.shape_of(name, needed.rows)
        state, update = f"{name}_rows", f"{name}_rows_next"
        attrs = {"axis": self.axes.timed[name].axis}
        self.shapes[state] = shape
        self.states.append(StateVariable(state, update, shape, rows_of=name))
        self.add(Node(update, Op.PUSH, (state, name), shape, attrs))

    def rows(self, name: str, oldest: int, newest: int) -> str:
        """A tensor of these rows of a timed tensor."""
        name = self.sources.get(name, name)
        needed = self.needed[name]
        made = oldest >= needed.first_made
        whole, first = (name, needed.first_made) if made else (f"{name}_rows_next", needed.oldest)
        begin, end = (oldest - first) // needed.period, (newest - first) // needed.period + 1
        if end - begin == (needed.made if made else needed.rows):
            return whole
        view = f"{name}_{'new' if made else 'rows'}_{begin}_{end}"
        if view not in self.shapes:
            attrs = {"axis": self.axes.timed[name].axis, "begin": begin, "end": end}
            self.add(Node(view, Op.SLICE, (whole,), self.shape_of(name, end - begin), attrs))
        return view

    def write(self, node: Node) -> None:
        """Appends what computes `node`, unless nothing needs it."""
        if node.name not in self.axes.timed:
            self.add(replace(node, inputs=tuple(self.whole(name) for name in node.inputs)))
            return
        if node.name not in self.needed:
            return
        needed = self.needed[node.name]
        shape = self.shape_of(node.name, needed.made)
        if passes_rows_on(node, self.axes):
            (read,) = self.axes.reads[node.name]
            self.sources[node.name] = self.sources.get(read.tensor, read.tensor)
            if node.name == self.graph.output:
                rows = self.rows(node.name, needed.oldest, needed.newest)
                self.add(Node(node.name, Op.RESHAPE, (rows,), shape))
            return
        views = {
            read.tensor: self.rows(
                read.tensor, needed.first_made - read.oldest, needed.newest - read.newest
            )
            for read in self.axes.reads[node.name]
        }
        if node.op in (Op.UNFOLD, Op.RESHAPE):
            ((tensor, view),) = views.items()
            source = self.axes.timed[tensor]
            how = gathering(node, self.axes.timed[node.name], source)
            self.gather(node.name, shape, needed.made, how, view, source.axis)
        else:
            inputs = tuple(views.get(name, name) for name in node.inputs)
            self.add(replace(node, inputs=inputs, shape=shape, attrs=self.attrs_of_rows(node)))
        self.keep(node.name)

    def attrs_of_rows(self, node: Node) -> Mapping[str, Any]:
        """The attributes of a node of rows that are made without padding."""
        along = node.op is Op.MOVING_SUM and node.attrs["axis"] == self.axes.timed[node.name].axis
        return {**node.attrs, "before": 0, "after": 0} if along else node.attrs

    def whole(self, name: str) -> str:
        """An operand of a node that is computed as a whole: every row of a timed tensor."""
        if name not in self.axes.timed:
            return name
        time = self.axes.timed[name]
        extent = self.graph.shapes[name][time.axis]
        rows = self.rows(name, time.offset, time.offset + (extent - 1) * time.period)
        if extent == 1 or time.phases == 1:
            return rows
        picked, how = f"{rows}_phase", Gathering(1, 1, time.phases)
        if picked not in self.shapes:
            self.gather(picked, self.shape_of(name, extent), extent, how, rows, time.axis)
        return picked

    def gather(
        self, name: str, shape: tuple[int, ...], rows: int, how: Gathering, read: str, axis: int
    ) -> None:
        """Appends what makes `rows` rows of those along an axis of `read`."""
        for node in gather(name, shape, rows, how, (read, self.shapes[read], axis)):
            self.add(node)

    def finish(self) -> Graph:
        """The graph of what was written, without nodes that nothing reads."""
        return without_unread(
            replace(
                self.graph,
                states=tuple(self.states),
                nodes=tuple(self.nodes),
                shapes=self.shapes,
            )
        )
