"""Decides width and scale of every tensor of the float graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.integer.build_nonlinear import NONLINEAR, Q15
from tqs_edge.integer.chosen_scales import (
    NARROWED_FIRST,
    dense_reader_bits,
    finest_scale,
    joined_scale,
    keeps_scale,
)
from tqs_edge.integer.error_feedback import fed_tensors
from tqs_edge.integer.planned_weights import planned_rows
from tqs_edge.integer.program import Grid, QTensor
from tqs_edge.integer.related_scales import at_least, readers_through_views, related_unit
from tqs_edge.integer.wide_ops import WIDE_BITS
from tqs_edge.integer.wide_tensors import wide_scale, wide_tensors
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import (
    grid_for_span,
    integer_limits,
    scale_for_range,
    zero_point_for,
)

TABLE_REACH = {Op.TANH: 8.0, Op.SIGMOID: 16.0}  # |x| from which the Q15 function is constant
MIN_FRACTION_BITS, MAX_FRACTION_BITS = 8, 15
OFFSET = (Op.ADD, Op.SUB, Op.AFFINE, Op.RELU)  # can be computed with a zero point, at no cost


def assign_scales(graph: Graph, plan: BitPlan, ranges: Mapping[str, float]) -> dict[str, QTensor]:
    """A QTensor for every non-constant tensor of the graph.

    ranges: largest magnitude per tensor over float rollouts. The output shares the input's scale
    and a state's update the state's scale wherever the producing operation can choose its scale;
    where it cannot (tables, views), the program builder adds a rescaling. Tensors that only dense
    nodes read are stored at the planned activation width.
    """
    chooser = _Chooser(graph, plan, ranges)
    for node in graph.nodes:
        grid = chooser.choose(node)
        chooser.put(node.name, grid)
        if node.op is Op.PUSH:
            chooser.put(node.inputs[0], grid)
    return chooser.tensors


class _Chooser:
    """The grid of one node after the other.

    tied: tensors that should have the width and scale of another, which they are carried over to
    """

    def __init__(self, graph: Graph, plan: BitPlan, ranges: Mapping[str, float]) -> None:
        self.graph, self.plan, self.ranges = graph, plan, ranges
        self.tensors: dict[str, QTensor] = {}
        self.wide = wide_tensors(graph, plan)
        self.fed, self.spans = fed_tensors(graph, plan), spans_of(graph, plan)
        self.tables = {node.name for node in graph.nodes if node.op in TABLE_REACH}
        fed_back = RANGE_HEADROOM * max(ranges[graph.input], ranges[graph.output])
        self.put(graph.input, Grid(16, scale_for_range(fed_back, 16)))
        if graph.exog is not None:
            reach = RANGE_HEADROOM * ranges[graph.exog]
            self.put(graph.exog, Grid(16, scale_for_range(reach, 16)))
        self.tied = {graph.output: self.tensors[graph.input]}
        nodes = {node.name: node for node in graph.nodes}
        for state in graph.states:
            if state.rows_of is None:  # kept rows take after the tensor that they are rows of
                self.put_state(state, nodes.get(state.update))

    def put(self, name: str, grid: Grid) -> None:
        self.tensors[name] = QTensor(name, tuple(self.graph.shapes[name]), *grid)

    def put_state(self, state: StateVariable, update: Node | None) -> None:
        bits = self.plan.states[state.name]
        reach = RANGE_HEADROOM * max(self.ranges[state.name], self.ranges[state.update])
        is_table = update is not None and self.within_one(update)
        scale = _table_scale(bits) if is_table else scale_for_range(reach, bits)
        self.put(state.name, Grid(bits, scale))
        if bits != WIDE_BITS:
            self.tied.setdefault(state.update, self.tensors[state.name])

    def within_one(self, node: Node) -> bool:
        """Whether the node is a table or a product of two: its magnitude is at most 1."""
        return node.op in TABLE_REACH or (node.op is Op.MUL and self.tables.issuperset(node.inputs))

    def choose(self, node: Node) -> Grid:
        """The grid of a node whose inputs have theirs."""
        source = self.tensors.get(node.inputs[0])
        tie = self.tied.get(node.name)
        if node.op is Op.PUSH:
            return self.narrowed(node.name, self.tensors[node.inputs[1]])
        if source is not None and keeps_scale(node, source):
            return self.narrowed(node.name, source) if node.op in NARROWED_FIRST else source.grid
        joined = joined_scale(self.graph, node, self.tensors)
        if tie is None and joined is not None:
            return joined
        if node.name in self.wide:
            state = self.tensors[self.wide[node.name]]
            return Grid(WIDE_BITS, wide_scale(state.scale, self.ranges[node.name]))
        if node.op in TABLE_REACH:
            bits = tie.bits if tie else self.reader_bits(node)
            return Grid(bits, _table_scale(bits))
        if node.op is Op.SOFTMAX:
            return Grid(16, Q15)
        if node.op in NONLINEAR and (tie is None or tie.bits != 16):
            return Grid(16, _free_scale(self.graph, node, 16, self.ranges))
        bits = 16 if node.op is Op.DENSE else tie.bits if tie else self.reader_bits(node)
        finest = self.finest(node, source)
        if tie:
            return Grid(bits, max(tie.scale, finest))
        if bits == 8 and node.name in self.spans:
            return self.offset(node)
        wanted = max(_free_scale(self.graph, node, bits, self.ranges, finest), finest)
        if self.within_one(node):
            wanted = min(wanted, _table_scale(bits))
        unit = related_unit(self.graph, node, self.tensors) if bits == 16 else None
        return Grid(bits, wanted if unit is None else at_least(wanted, unit))

    def narrowed(self, name: str, source: QTensor) -> Grid:
        """What `name`, the elements of `source` elsewhere, has where only dense nodes read it."""
        return self.read(source, dense_reader_bits(self.graph, self.plan, name)).grid

    def read(self, tensor: QTensor, act_bits: int) -> QTensor:
        """The tensor as dense nodes read it at `act_bits`."""
        made = unmoved(self.graph, tensor.name)
        return dense_input(tensor, act_bits, self.ranges[made], self.spans.get(made))

    def offset(self, node: Node) -> Grid:
        """The grid of a node that is computed with its zero point."""
        low, high = (RANGE_HEADROOM * end for end in self.spans[node.name])
        if node.op is Op.RELU:  # 0.0 is the least number: saturation rectifies
            least = integer_limits(8)[0]
            return Grid(8, scale_for_range(high, 9), -least)
        return Grid(8, *grid_for_span(low, high, 8))

    def reader_bits(self, node: Node) -> int:
        """The width to compute `node` at; what error feedback starts from has 16 bits, and what
        cannot be computed with a zero point."""
        needs_copy = node.name in self.spans and node.op not in OFFSET
        if node.name in self.fed or needs_copy:
            return 16
        return dense_reader_bits(self.graph, self.plan, node.name)

    def finest(self, node: Node, source: QTensor | None) -> float:
        """The finest scale at which the node can be computed."""
        if node.op is not Op.DENSE:
            operands = [self.tensors[n] for n in node.inputs if n in self.tensors]
            return finest_scale(node, operands)
        assert source is not None
        x = self.read(source, self.plan.activations[source.name])
        return _finest_output(self.graph, self.plan, node, x)


def spans_of(graph: Graph, plan: BitPlan) -> dict[str, tuple[float, float]]:
    """The plan's spans of what dense nodes read, by the tensor that is computed."""
    return {unmoved(graph, name): span for name, span in plan.spans.items()}


def dense_input(
    tensor: QTensor, act_bits: int, largest: float, span: tuple[float, float] | None = None
) -> QTensor:
    """The tensor as a dense node reads it: narrowed to `act_bits`, never widened.

    Where both fill their ranges alike, which is usual, the copy drops whole bits: one shift. A
    tensor that comes near its largest number, as tables do, would be clipped by that. With a span
    the copy has a zero point.
    """
    if tensor.bits <= act_bits:
        return tensor
    name = f"{tensor.name}_a{act_bits}"
    if span is not None and act_bits == 8:
        return QTensor(name, tensor.shape, *_spanned(tensor, act_bits, span))
    held = tensor.scale * (1 << (tensor.bits - 1))
    scale = scale_for_range(min(RANGE_HEADROOM * largest, held), act_bits)
    whole_bits = tensor.scale * (1 << (tensor.bits - act_bits))
    if integer_limits(act_bits)[1] * whole_bits >= largest:
        scale = min(scale, whole_bits)
    return replace(tensor, name=name, bits=act_bits, scale=scale)


def _spanned(tensor: QTensor, bits: int, span: tuple[float, float]) -> Grid:
    """The grid of a copy whose numbers lie between the ends of `span`; whole bits are dropped where
    the ends are held then too."""
    held = tensor.scale * (1 << (tensor.bits - 1))
    low, high = (max(-held, min(held, RANGE_HEADROOM * end)) for end in span)
    scale, zero_point = grid_for_span(low, high, bits)
    dropped = math.floor(math.log2(scale / tensor.scale))
    coarse = math.ldexp(tensor.scale, dropped)
    zero = zero_point_for(low, high, coarse, bits)
    if all(abs(end / coarse - zero) <= integer_limits(bits)[1] for end in (*span, 0.0)):
        return Grid(bits, coarse, zero)
    return Grid(bits, scale, zero_point)


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
    readers = readers_through_views(graph, node.name)
    tables = [r for r in readers if r.op in TABLE_REACH]
    if bits != 16 or not tables:
        return scale_for_range(reach, bits)
    if len(tables) == len(readers):
        limit = max(TABLE_REACH[r.op] for r in tables)
        reach = max(min(reach, limit), finest * (1 << (bits - 1)))
    fraction = fraction_bits_for(reach)
    return 2.0**-fraction if reach <= 2.0 ** (15 - fraction) else scale_for_range(reach, bits)
