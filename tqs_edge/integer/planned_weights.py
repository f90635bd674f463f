"""The integers of every dense row: those that the plan fitted, else the nearest ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tqs_edge.errors import InputError
from tqs_edge.graph.graph import Graph, Node
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.quant.scheme import integer_limits, quantize_rows


def planned_rows(
    graph: Graph, plan: BitPlan, path: str, block: RowBlock
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Integers (rows, depth) and scales (rows,) of the rows `block` of the weight `path`.

    Raises InputError where fitted integers do not fit the model or the width of the block.
    """
    rows = slice(block.begin, block.end)
    fitted = plan.fitted.get(path)
    if fitted is None:
        return quantize_rows(np.asarray(graph.constants[path][rows], np.float32), block.bits)
    if fitted.integers.shape != graph.constants[path].shape:
        raise InputError(f"the plan's integers are not of this model's '{path}'; plan it anew")
    integers, scales = fitted.integers[rows], fitted.scales[rows]
    low, high = integer_limits(block.bits)
    if integers.size and not (low <= integers.min() and integers.max() <= high):
        raise InputError(
            f"the plan's integers of '{path}' rows {block.begin}..{block.end - 1} exceed "
            f"{block.bits} bits; plan it anew"
        )
    return integers.astype(np.int16), scales


def planned_bias(graph: Graph, plan: BitPlan, node: Node) -> NDArray[np.float32]:
    """The bias (rows,) of a dense node as the plan has it; zeros where it has none."""
    assert node.weight is not None
    if node.bias is None:
        return np.zeros(len(graph.constants[node.weight]), np.float32)
    return np.asarray(plan.biases.get(node.bias, graph.constants[node.bias]), np.float32)


def check_plan(graph: Graph, plan: BitPlan) -> None:
    """Raises InputError where the plan lacks a width of the graph."""
    for node in graph.dense_nodes():
        assert node.weight is not None
        blocks = plan.weights.get(node.weight, ())
        edges = [0, *(b.end for b in blocks)]
        covers = edges[-1] == graph.constants[node.weight].shape[0]
        if not covers or any(b.begin != e for b, e in zip(blocks, edges, strict=False)):
            raise InputError(f"the plan does not cover the rows of '{node.weight}'; make it anew")
        if node.inputs[0] not in plan.activations:
            raise InputError(f"the plan has no width for activation '{node.inputs[0]}'")
    for state in graph.states:
        if state.rows_of is None and state.name not in plan.states:
            raise InputError(f"the plan has no width for state '{state.name}'")
