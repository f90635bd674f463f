"""What a step costs under every plan alike: an estimate, until a build has been measured."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tqs_edge.graph.graph import Graph, Node, Op

# Estimated instructions per element; only the sum matters, and it is the same for every plan.
ELEMENTWISE_INSNS = {
    Op.ADD: 14,
    Op.SUB: 14,
    Op.MUL: 12,
    Op.AFFINE: 12,
    Op.TANH: 24,
    Op.SIGMOID: 26,
    Op.RELU: 10,
    Op.SLICE: 3,
    Op.PUSH: 3,
    Op.CONCAT: 3,
    Op.MAXIMUM: 8,
    Op.MINIMUM: 8,
    Op.CLAMP: 7,
    Op.SELECT: 10,
    Op.TRANSPOSE: 5,
    Op.UNFOLD: 4,
    Op.MEAN: 5,
    Op.SUM: 5,
    Op.MAX: 6,
    Op.FUNCTION: 30,
    Op.DIV: 60,
    Op.SOFTMAX: 60,
    Op.NORMALIZE: 40,
    Op.DEVIATION: 12,
}
MATMUL_INSNS = 8  # per product
REDUCTIONS = (Op.MEAN, Op.SUM, Op.MAX, Op.DEVIATION)  # whose work is that of what they read
# Estimated code bytes, until a build of the model has been measured.
STEP_BYTES = 200
TABLE_BYTES = 514
OPERATION_BYTES = 40


@dataclass(frozen=True)
class Fixed:
    """What every plan of a model costs alike: flash bytes, RAM bytes, instructions per step."""

    flash: float
    ram: float
    insns: float


def estimate_fixed(graph: Graph) -> Fixed:
    """A guess at what all plans share, from the operations of the step."""
    insns = sum(_node_insns(graph, node) for node in graph.nodes)
    elementwise = [node for node in graph.nodes if node.op in ELEMENTWISE_INSNS]
    has_table = any(node.op in (Op.TANH, Op.SIGMOID) for node in elementwise)
    code = STEP_BYTES + TABLE_BYTES * has_table + OPERATION_BYTES * len(elementwise)
    kept = sum(prod(state.shape) for state in graph.states if state.rows_of is not None)
    return Fixed(code, 2 * (_peak_elements(graph) + kept), insns)


def _node_insns(graph: Graph, node: Node) -> int:
    read = graph.shapes.get(node.inputs[0], node.shape)
    if node.op is Op.MATMUL:
        return MATMUL_INSNS * prod(node.shape) * read[-1]
    elements = prod(read if node.op in REDUCTIONS else node.shape)
    return ELEMENTWISE_INSNS.get(node.op, 0) * elements


def _peak_elements(graph: Graph) -> int:
    """Most elements alive at once while the step runs, states apart."""
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last[graph.output] = len(graph.nodes)
    last.update({state.update: len(graph.nodes) for state in graph.states})
    alive = {graph.input: prod(graph.shapes[graph.input])}
    peak = 0
    for i, node in enumerate(graph.nodes):
        alive[node.name] = prod(node.shape)
        peak = max(peak, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last.get(name, -1) > i}
    return peak
