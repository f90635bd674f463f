"""Decides width and scale of every tensor of the float graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.integer.build_nonlinear import NONLINEAR, Q15
from tqs_edge.integer.chosen_scales import (
    NARROWED_FIRST,
    SCALE_KEEPING,
    dense_reader_bits,
    finest_scale,
    joined_scale,
    keeps_scale,
)
from tqs_edge.integer.planned_weights import planned_rows
from tqs_edge.integer.program import QTensor
from tqs_edge.integer.wide_ops import WIDE_BITS
from tqs_edge.integer.wide_tensors import wide_scale, wide_tensors
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import scale_for_range

TABLE_REACH = {Op.TANH: 8.0, Op.SIGMOID: 16.0}  # |x| from which the Q15 function is constant
MIN_FRACTION_BITS, MAX_FRACTION_BITS = 8, 15


def assign_scales(graph: Graph, plan: BitPlan, ranges: Mapping[str, float]) -> dict[str, QTensor]:
    """A QTensor for every non-constant tensor of the graph.

    ranges: largest magnitude per tensor over float rollouts. The output shares the input's scale
    and a state's update the state's scale wherever the producing operation can choose its scale;
    where it cannot (tables, views), the program builder adds a rescaling. Tensors that only dense
    nodes read are stored at the planned activation width.
    """
    tensors: dict[str, QTensor] = {}

    def put(name: str, bits: int, scale: float) -> None:
        tensors[name] = QTensor(name, tuple(graph.shapes[name]), bits, scale)

    fed_back = RANGE_HEADROOM * max(ranges[graph.input], ranges[graph.output])
    put(graph.input, 16, scale_for_range(fed_back, 16))
    if graph.exog is not None:
        put(graph.exog, 16, scale_for_range(RANGE_HEADROOM * ranges[graph.exog], 16))
    nodes = {node.name: node for node in graph.nodes}
    tied = {graph.output: tensors[graph.input]}
    for state in graph.states:
        if state.rows_of is not None:
            continue  # takes after the tensor whose rows it keeps
        bits = plan.states[state.name]
        reach = RANGE_HEADROOM * max(ranges[state.name], ranges[state.update])
        update = nodes.get(state.update)
        is_table = update is not None and update.op in TABLE_REACH
        put(state.name, bits, _table_scale(bits) if is_table else scale_for_range(reach, bits))
        if bits != WIDE_BITS:
            tied.setdefault(state.update, tensors[state.name])
    wide = wide_tensors(graph, plan)
    for node in graph.nodes:
        source = tensors.get(node.inputs[0])
        tie = tied.get(node.name)
        if node.op is Op.PUSH:
            past, row = node.inputs
            bits = dense_reader_bits(graph, plan, node.name)
            kept = dense_input(tensors[row], bits, ranges[unmoved(graph, row)])
            for rows in (past, node.name):
                put(rows, kept.bits, kept.scale)
        elif source is not None and keeps_scale(node, source):
            kept = source
            if node.op in NARROWED_FIRST:
                bits = dense_reader_bits(graph, plan, node.name)
                kept = dense_input(source, bits, ranges[unmoved(graph, source.name)])
            put(node.name, kept.bits, kept.scale)
        elif tie is None and (joined := joined_scale(graph, node, tensors)) is not None:
            put(node.name, *joined)
        elif node.name in wide:
            scale = wide_scale(tensors[wide[node.name]].scale, ranges[node.name])
            put(node.name, WIDE_BITS, scale)
        elif node.op in TABLE_REACH:
            bits = tie.bits if tie else dense_reader_bits(graph, plan, node.name)
            put(node.name, bits, _table_scale(bits))
        elif node.op is Op.DENSE:
            assert source is not None
            largest = ranges[unmoved(graph, source.name)]
            x = dense_input(source, plan.activations[source.name], largest)
            finest = _finest_output(graph, plan, node, x)
            wanted = tie.scale if tie else _free_scale(graph, node, 16, ranges, finest)
            put(node.name, 16, max(wanted, finest))
        elif node.op is Op.SOFTMAX:
            put(node.name, 16, Q15)
        elif node.op in NONLINEAR and (tie is None or tie.bits != 16):
            put(node.name, 16, _free_scale(graph, node, 16, ranges))
        else:
            finest = finest_scale(node, [tensors[n] for n in node.inputs if n in tensors])
            bits = tie.bits if tie else dense_reader_bits(graph, plan, node.name)
            wanted = tie.scale if tie else _free_scale(graph, node, bits, ranges, finest)
            put(node.name, bits, max(wanted, finest))
    return tensors


def dense_input(tensor: QTensor, act_bits: int, largest: float) -> QTensor:
    """The tensor as a dense node reads it: narrowed to `act_bits`, never widened."""
    if tensor.bits <= act_bits:
        return tensor
    scale = scale_for_range(RANGE_HEADROOM * largest, act_bits)
    return replace(tensor, name=f"{tensor.name}_a{act_bits}", bits=act_bits, scale=scale)


def fraction_bits_for(reach: float) -> int:
    """The most fraction bits with which a 16-bit number still holds +-reach."""
    whole = math.ceil(math.log2(reach)) if reach > 0.0 else 0
    return max(MIN_FRACTION_BITS, min(MAX_FRACTION_BITS, 15 - whole))


def table_fraction_bits(tensor: QTensor) -> int | None:
    """f where `tensor` is 16-bit with scale 2^-f that the tables take, else None."""
    mantissa, exponent = math.frexp(tensor.scale)
    bits = 1 - exponent
    fits = mantissa == 0.5 and MIN_FRACTION_BITS <= bits <= MAX_FRACTION_BITS
    return bits if fits and tensor.bits == 16 else None


def _table_scale(bits: int) -> float:
    return 2.0 ** -(bits - 1)


def _finest_output(graph: Graph, plan: BitPlan, node: Node, x: QTensor) -> float:
    """Just over two accumulator LSBs: a finer output scale could not be requantized to, and would
    hold nothing that the coarsest row's accumulator knows."""
    assert node.weight is not None
    coarsest = max(
        float(planned_rows(graph, plan, node.weight, block)[1].max())
        for block in plan.weights[node.weight]
    )
    return 2.001 * x.scale * coarsest


def _free_scale(
    graph: Graph, node: Node, bits: int, ranges: Mapping[str, float], finest: float = 0.0
) -> float:
    """A power of two where a table reads the tensor (views looked through), else from the range."""
    reach = max(RANGE_HEADROOM * ranges[node.name], finest * (1 << (bits - 1)))
    readers = _readers_through_views(graph, node.name)
    tables = [r for r in readers if r.op in TABLE_REACH]
    if bits != 16 or not tables:
        return scale_for_range(reach, bits)
    if len(tables) == len(readers):
        limit = max(TABLE_REACH[r.op] for r in tables)
        reach = max(min(reach, limit), finest * (1 << (bits - 1)))
    fraction = fraction_bits_for(reach)
    return 2.0**-fraction if reach <= 2.0 ** (15 - fraction) else scale_for_range(reach, bits)


def _readers_through_views(graph: Graph, name: str) -> list[Node]:
    readers: list[Node] = []
    for node in graph.consumers(name):
        if node.op in (*SCALE_KEEPING, Op.PUSH):
            readers += _readers_through_views(graph, node.name)
        else:
            readers.append(node)
    return readers
