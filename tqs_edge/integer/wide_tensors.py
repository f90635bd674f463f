"""Which tensors of the graph have 32 bits: states planned so, and what carries them on.

A 32-bit state is worth its bytes only when the sums and products that update it are not rounded to
16 bits on the way. Everything else reads it through a copy of 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.integer.wide_ops import WIDE_BITS
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import scale_for_range

VIEWS = (Op.SLICE, Op.RESHAPE)  # keep width and scale of what they read
CARRIERS = (Op.ADD, Op.SUB, Op.MUL, Op.AFFINE, Op.RELU, Op.CONCAT, *VIEWS)
# Dense nodes and tables narrow what they read by themselves, to widths and scales of their own.
READERS = (*CARRIERS, Op.DENSE, Op.TANH, Op.SIGMOID)
NARROW_COPY = MappingProxyType({"scale": 1.0, "offset": 0.0})


def wide_tensors(graph: Graph, plan: BitPlan) -> dict[str, str]:
    """Tensor of 32 bits -> the state whose scale it should have.

    These are the planned states, views of them, the sums, products and joins that lead from there
    to an update without an operation of 16 bits between, and dense layers that only these read.
    """
    states = {
        s.name: s
        for s in graph.states
        if s.rows_of is None and plan.states.get(s.name) == WIDE_BITS
    }
    if not states:
        return {}
    nodes = {node.name: node for node in graph.nodes}
    linked = _linked(graph, set(states))
    wide = {name: name for name in states}
    for state in states.values():
        pending = [state.update]
        while pending:
            node = nodes.get(pending.pop())
            if node is None or node.name in wide or node.op not in CARRIERS:
                continue
            wide[node.name] = state.name
            pending += _carrying_inputs(graph, node, linked)
    for node in graph.dense_nodes():
        state_name = _drives(graph, node.name, wide)
        if state_name is not None:
            wide[node.name] = state_name
    for node in graph.nodes:
        if node.op in VIEWS and node.inputs[0] in wide:
            wide.setdefault(node.name, wide[node.inputs[0]])
        elif node.op in VIEWS:
            wide.pop(node.name, None)  # a view of 16 bits after all
    return wide


def _linked(graph: Graph, states: set[str]) -> set[str]:
    """The tensors that states reach through carriers alone."""
    linked = set(states)
    for node in graph.nodes:
        if node.op in CARRIERS and any(name in linked for name in node.inputs):
            linked.add(node.name)
    return linked


def _carrying_inputs(graph: Graph, node: Node, linked: set[str]) -> list[str]:
    """The inputs that should have 32 bits; of two factors only those that carry a state."""
    tensors = [name for name in node.inputs if name not in graph.constants]
    if node.op is Op.MUL and len(tensors) == 2:
        return [name for name in tensors if name in linked]
    return tensors


def _drives(graph: Graph, name: str, wide: Mapping[str, str]) -> str | None:
    """The state that a dense layer's output leads to, where only wide sums and products with
    constants read it."""
    readers = graph.consumers(name)
    if name == graph.output or any(s.update == name for s in graph.states):
        return None
    found: list[str | None] = []
    for node in readers:
        factors = [n for n in node.inputs if n not in graph.constants]
        if node.name not in wide or (node.op is Op.MUL and len(factors) == 2):
            return None
        onwards = _drives(graph, node.name, wide) if node.op in VIEWS else wide[node.name]
        found.append(onwards)
    return None if None in found or not found else found[0]


def narrow_readers(
    graph: Graph, plan: BitPlan, ranges: Mapping[str, float]
) -> tuple[Graph, Mapping[str, float]]:
    """The graph with 16-bit copies of wide tensors before operations that read no 32 bits.

    Unchanged without such operations. The copy of tensor t is called t_s16.
    """
    wide = wide_tensors(graph, plan)
    nodes: list[Node] = []
    shapes, reach = dict(graph.shapes), dict(ranges)
    for node in graph.nodes:
        if node.op not in READERS:
            for name in dict.fromkeys(node.inputs):
                copy = f"{name}_s16"
                if name in wide and copy not in shapes:
                    nodes.append(Node(copy, Op.AFFINE, (name,), tuple(shapes[name]), NARROW_COPY))
                    shapes[copy], reach[copy] = shapes[name], ranges[name]
            inputs = tuple(f"{n}_s16" if n in wide else n for n in node.inputs)
            node = replace(node, inputs=inputs)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), shapes=shapes), reach


def wide_scale(state_scale: float, largest: float) -> float:
    """The scale of a tensor of 32 bits that leads to a state: the state's, so that its sums are
    exact and shared by all terms, unless +-largest does not fit."""
    own = scale_for_range(RANGE_HEADROOM * largest, WIDE_BITS)
    return max(own, state_scale)
