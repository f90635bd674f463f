"""Which rows of its timed tensors a streaming step reads, and which of those it has to make."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.time_axis import TimeAxes, time_axes


@dataclass(frozen=True)
class Needed:
    """Rows of moments `oldest`, `oldest` + `period`, ... `newest` that a step reads of a tensor.

    per_push: rows by which the tensor moves on in a step, its newest ones
    """

    oldest: int
    newest: int
    period: int
    per_push: int

    @property
    def rows(self) -> int:
        """How many they are."""
        return (self.newest - self.oldest) // self.period + 1

    @property
    def made(self) -> int:
        """How many of them a step makes; it has the others from the steps before."""
        return min(self.rows, self.per_push)

    @property
    def first_made(self) -> int:
        """The moment of the oldest row that a step makes."""
        return self.newest - (self.made - 1) * self.period


def needed_rows(
    graph: Graph, rows: int, push: int, whole: Collection[str] = ()
) -> tuple[TimeAxes, dict[str, Needed]]:
    """Time axes of a step on a window of `rows` rows that moves on by `push`, and the rows needed
    of each timed tensor that is needed at all; of what comes from outside at least the new ones.

    whole: nodes to compute as a whole, although their rows could be made one by one
    """
    mixed = set(whole)
    while True:
        axes = time_axes(graph, rows, push, mixed)
        needed, spoilt = _demand(graph, axes, rows, push)
        if spoilt is None:
            return axes, needed
        mixed.add(spoilt)


def oldest_moments(graph: Graph, axes: TimeAxes, needed: Mapping[str, Needed]) -> dict[str, int]:
    """The oldest moment of each timed tensor that anything a step reads was made of."""
    oldest = {name: rows.oldest for name, rows in needed.items()}
    for node in reversed(graph.nodes):
        if node.name in needed:
            for read in axes.reads[node.name]:
                moment = oldest[node.name] - read.oldest
                oldest[read.tensor] = min(oldest[read.tensor], moment)
    return oldest


def passes_rows_on(node: Node, axes: TimeAxes) -> bool:
    """Whether the rows of a timed node are rows of its input, as they are: what pads or cuts the
    time axis. Then they are kept there."""
    joins = node.op in (Op.SLICE, Op.CONCAT)
    return joins and bool(node.attrs["axis"] == axes.timed[node.name].axis)


def _demand(
    graph: Graph, axes: TimeAxes, rows: int, push: int
) -> tuple[dict[str, Needed], str | None]:
    """The needed rows, and a node that cannot be made row by row: rows of it are needed that are
    made of padding, that do not lie in one piece, or more for the output than a step makes."""
    needed = {graph.input: Needed(rows - push, rows - 1, 1, push)}
    if graph.exog is not None:
        outside = axes.timed[graph.exog]
        oldest = max(outside.first, outside.last + 1 - push)
        needed[graph.exog] = Needed(oldest, outside.last, 1, push)
    alive = {graph.output}

    def demand(name: str, oldest: int, newest: int) -> None:
        alive.add(name)
        if name in needed:
            oldest = min(oldest, needed[name].oldest)
            newest = max(newest, needed[name].newest)
        grain = axes.timed[name].grain
        needed[name] = Needed(oldest, newest, grain, push // grain)

    def demand_all(name: str) -> None:
        alive.add(name)
        if name in axes.timed:
            time = axes.timed[name]
            extent = graph.shapes[name][time.axis]
            demand(name, time.offset, time.offset + (extent - 1) * time.period)

    demand_all(graph.output)
    for node in reversed(graph.nodes):
        if node.name not in alive:
            continue
        if node.name not in axes.timed:
            for name in node.inputs:
                if name not in graph.constants:
                    demand_all(name)
            continue
        time, want = axes.timed[node.name], needed[node.name]
        kept = want.rows > want.made
        spoilt = want.oldest < time.first or want.newest > time.last
        in_pieces = prod(node.shape[: time.axis]) > 1 or node.name == graph.output
        if spoilt or (kept and in_pieces):
            return needed, node.name
        for read in axes.reads[node.name]:
            oldest = want.oldest if passes_rows_on(node, axes) else want.first_made
            demand(read.tensor, oldest - read.oldest, want.newest - read.newest)
    return needed, None
