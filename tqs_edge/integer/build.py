"""Builds the integer program: the float graph, operation by operation, under a bit plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.integer.build_nonlinear import NONLINEAR, build_nonlinear
from tqs_edge.integer.carried_sums import carried_sums
from tqs_edge.integer.constants import affine_op, dense_block, product_fits, product_op
from tqs_edge.integer.error_feedback import (
    COPY_BITS,
    fed_tensors,
    feedback_ops,
    rest_grid,
    total_grid,
)
from tqs_edge.integer.masked_scores import bounded_masks
from tqs_edge.integer.moves import MOVES, carried_sum_op, move_op
from tqs_edge.integer.planned_weights import check_plan, planned_bias, planned_rows
from tqs_edge.integer.program import (
    DenseOp,
    Grid,
    IntegerOp,
    IntegerProgram,
    LutOp,
    QState,
    QTensor,
    ReshapeOp,
    SliceOp,
)
from tqs_edge.integer.row_scales import row_scales
from tqs_edge.integer.scale_op import scale_op
from tqs_edge.integer.scales import (
    TABLE_REACH,
    assign_scales,
    dense_input,
    fraction_bits_for,
    spans_of,
    table_fraction_bits,
)
from tqs_edge.integer.wide_ops import WIDE_BITS, is_wide, wide_product_op
from tqs_edge.integer.wide_tensors import narrow_readers
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import quantize, scale_for_range


def build_program(graph: Graph, plan: BitPlan, ranges: Mapping[str, float]) -> IntegerProgram:
    """The integer step of `graph` under `plan`.

    ranges: largest magnitude per tensor over float rollouts (graph.ranges.observe_ranges). Raises
    InputError where the plan does not fit the graph, OverflowUnproven where a proof fails.
    """
    check_plan(graph, plan)
    graph, ranges = bounded_masks(*narrow_readers(graph, plan, ranges))
    builder = _Builder(graph, plan, ranges)
    for node in graph.nodes:
        builder.lower(node)
    return builder.finish()


class _Builder:
    """Collects operations and tensors while walking the graph once."""

    def __init__(self, graph: Graph, plan: BitPlan, ranges: Mapping[str, float]) -> None:
        self.graph, self.plan, self.ranges = graph, plan, ranges
        self.tensors = assign_scales(graph, plan, ranges)
        self.constants: dict[str, np.ndarray] = {}
        self.constant_tensors: dict[tuple[str, int], QTensor] = {}  # by path and bits
        self.ops: list[IntegerOp] = []
        self.copies: dict[tuple[str, Grid], str] = {}
        self.fed, self.spans = fed_tensors(graph, plan), spans_of(graph, plan)
        self.added: list[QState] = []  # what the graph has not: rests, carried sums
        self.carried = carried_sums(graph)
        self.sums: dict[str, str] = {}  # of moving sums, the carried ones

    def finish(self) -> IntegerProgram:
        graph = self.graph
        output = self._as(graph.output, self.tensors[graph.input], "y_out")
        states = tuple(
            QState(s.name, self._as(s.update, self.tensors[s.name], f"{s.name}_carry"))
            for s in graph.states
        )
        return IntegerProgram(
            *(graph.input, graph.exog, output),
            (*states, *self.added),
            self.tensors,
            self.constants,
            tuple(self.ops),
        )

    def lower(self, node: Node) -> None:
        """Appends the operation that computes `node`, and what its inputs need first."""
        y = self.tensors[node.name]
        match node.op:
            case Op.DENSE:
                self._dense(node, y)
            case Op.ADD | Op.SUB:
                a, b = (self._operand(name, y.bits) for name in node.inputs)
                gains = (1.0, 1.0 if node.op is Op.ADD else -1.0)
                self.ops.append(affine_op((a, b), gains, 0.0, y))
            case Op.MUL:
                self._product(node, y)
            case Op.AFFINE:
                gain, constant = float(node.attrs["scale"]), float(node.attrs["offset"])
                x = self.tensors[node.inputs[0]]
                self.ops.append(affine_op((x,), (gain,), constant, y))
            case Op.RELU:
                x = self.tensors[node.inputs[0]]
                self.ops.append(affine_op((x,), (1.0,), 0.0, y, rectify=True))
            case Op.TANH | Op.SIGMOID:
                self._table(node)
            case Op.SLICE:
                axis, begin, end = (int(node.attrs[key]) for key in ("axis", "begin", "end"))
                self.ops.append(SliceOp(node.name, node.inputs[0], axis, begin, end))
            case Op.RESHAPE:
                self.ops.append(ReshapeOp(node.name, node.inputs[0]))
            case Op.MOVING_SUM if node.name in self.sums:
                x, total = self.tensors[node.inputs[0]], self.sums[node.name]
                self.ops.append(carried_sum_op(node, x, y, total))
            case _ if node.op in MOVES:
                self._carry(node, y)
                source = self.tensors.get(node.inputs[0])
                self.ops.append(move_op(node, source, y, self._like))
            case op if op in NONLINEAR:
                self._nonlinear(node, y)

    def _carry(self, push: Node, y: QTensor) -> None:
        """Brings carried sums up to date before the rows they are sums of move on."""
        for carried in self.carried.get(push.name, ()):
            state, row = push.inputs
            name, axis, begin = carried.name, push.attrs["axis"], carried.leaving
            newest = self.tensors[self._like(row, y, f"{row}_a{y.bits}")]
            leaving = self._new_tensor(f"{name}_leaving", newest.shape, y)
            wide = replace(y, bits=WIDE_BITS)
            total, later = (
                self._new_tensor(f"{name}_{own}", newest.shape, wide) for own in ("sum", "sum_next")
            )
            self.ops.append(SliceOp(leaving.name, state, axis, begin, begin + 1))
            self.ops.append(affine_op((total, newest, leaving), (1.0, 1.0, -1.0), 0.0, later))
            self.added.append(QState(total.name, later.name))
            self.sums[name] = later.name

    def _dense(self, node: Node, y: QTensor) -> None:
        assert node.weight is not None
        bias = planned_bias(self.graph, self.plan, node)
        x = self._dense_input(node.inputs[0])
        rows: NDArray[np.float64] = np.full(len(bias), y.scale)
        name = y.name
        if is_wide(y):
            rows = row_scales(self.graph, self.plan, node, x, self.ranges[node.name])
            by_row = replace(y, bits=16, scale=1.0)
            name = self._new_tensor(f"{y.name}_rows", y.shape, by_row).name
        blocks = tuple(
            dense_block(
                *planned_rows(self.graph, self.plan, node.weight, block),
                bias[block.begin : block.end],
                block.begin,
                block.bits,
                x,
                rows[block.begin : block.end],
            )
            for block in self.plan.weights[node.weight]
        )
        self.ops.append(DenseOp(name, x.name, node.weight, blocks))
        if is_wide(y):
            self.ops.append(scale_op(self.tensors[name], rows, y))

    def _dense_input(self, name: str) -> QTensor:
        """The tensor at the planned activation width; a narrower tensor is read as it is."""
        source = unmoved(self.graph, name)
        largest, span = self.ranges[source], self.spans.get(source)
        narrow = dense_input(self.tensors[name], self.plan.activations[name], largest, span)
        return self.tensors[self._as(name, narrow, narrow.name)]

    def _operand(self, name: str, output_bits: int = 16) -> QTensor:
        """A tensor, or the constant `name` as a tensor of the program, 32 bits where the output
        has them and else 16."""
        if name in self.tensors:
            return self.tensors[name]
        bits = max(16, output_bits)
        if (name, bits) in self.constant_tensors:
            return self.constant_tensors[name, bits]
        values = np.asarray(self.graph.constants[name], np.float64)
        scale = scale_for_range(float(np.abs(values).max(initial=0.0)), bits)
        wanted = "c_" + re.sub(r"\W", "_", name) + ("_s32" if bits == WIDE_BITS else "")
        tensor = self._new_tensor(wanted, values.shape, QTensor(wanted, values.shape, bits, scale))
        self.constants[tensor.name] = quantize(values, scale, bits).astype(f"int{bits}")
        self.constant_tensors[name, bits] = tensor
        return tensor

    def _product(self, node: Node, y: QTensor) -> None:
        x, factor = node.inputs if node.inputs[1] in self.graph.constants else node.inputs[::-1]
        if factor in self.graph.constants:
            self.ops.append(scale_op(self.tensors[x], self.graph.constants[factor], y))
            return
        a, b = (self.tensors[name] for name in node.inputs)
        if is_wide(a, b, y):
            self._wide_product(a, b, y)
            return
        if product_fits(a, b, y):
            self.ops.append(product_op(a, b, y))
            return
        # The output is finer than the product can be: multiply at the product's own resolution.
        like = replace(y, bits=16, scale=4.0 * a.scale * b.scale)
        coarse = self._new_tensor(f"{y.name}_p", y.shape, like)
        self.ops += [product_op(a, b, coarse), affine_op((coarse,), (1.0,), 0.0, y)]

    def _wide_product(self, a: QTensor, b: QTensor, y: QTensor) -> None:
        """One factor keeps its 32 bits; the other has at most 16."""
        if is_wide(a) and is_wide(b):
            scale = scale_for_range(RANGE_HEADROOM * self.ranges[b.name], 16)
            narrow = replace(b, bits=16, scale=scale)
            b = self.tensors[self._as(b.name, narrow, f"{b.name}_factor")]
        self.ops.append(wide_product_op(a, b, y))

    def _nonlinear(self, node: Node, y: QTensor) -> None:
        inputs = tuple(self._sixteen_bits(name) for name in node.inputs)
        spare, opposite = (self._free_name(f"{y.name}_{end}") for end in "pn")
        built = build_nonlinear(node, inputs, y, spare, opposite)
        self.tensors |= {tensor.name: tensor for tensor in built.tensors}
        self.ops += built.ops

    def _sixteen_bits(self, name: str) -> QTensor:
        """The operand, or a 16-bit copy that holds its observed range."""
        x = self._operand(name)
        if x.bits == 16:
            return x
        scale = scale_for_range(RANGE_HEADROOM * self.ranges[name], 16)
        like = replace(x, bits=16, scale=scale)
        return self.tensors[self._as(name, like, f"{name}_q16")]

    def _table(self, node: Node) -> None:
        name = node.inputs[0]
        fraction = table_fraction_bits(self.tensors[name])
        if fraction is None:
            reach = min(RANGE_HEADROOM * self.ranges[name], TABLE_REACH[node.op])
            fraction = fraction_bits_for(reach)
            wanted = replace(self.tensors[name], bits=16, scale=2.0**-fraction)
            name = self._as(name, wanted, f"{name}_q{fraction}")
        self.ops.append(LutOp(node.name, name, node.op.value, fraction))

    def _like(self, name: str, like: QTensor, new_name: str) -> str:
        """The tensor or constant `name` on the grid of `like`."""
        if name in self.tensors:
            return self._as(name, like, new_name)
        copy = name, like.grid
        if copy not in self.copies:
            values = np.asarray(self.graph.constants[name], np.float64)
            made = self._new_tensor(new_name, values.shape, like)
            self.constants[made.name] = quantize(values, like.scale, like.bits, like.zero_point)
            self.copies[copy] = made.name
        return self.copies[copy]

    def _as(self, name: str, like: QTensor, new_name: str) -> str:
        """`name` itself where it has the grid of `like`, else a rescaled copy."""
        x = self.tensors[name]
        if x.grid == like.grid:
            return name
        copy = name, like.grid
        if copy not in self.copies:
            y = self._new_tensor(new_name, x.shape, like)
            if (x.bits, y.bits) == (16, COPY_BITS) and unmoved(self.graph, name) in self.fed:
                self._feed_back(x, y)
            else:
                self.ops.append(affine_op((x,), (1.0,), 0.0, y))
            self.copies[copy] = y.name
        return self.copies[copy]

    def _feed_back(self, x: QTensor, y: QTensor) -> None:
        """y, the 8-bit copy of x, with the rest of the step before in it."""
        rest, left, total = (
            self._new_tensor(name, x.shape, QTensor(name, x.shape, *grid))
            for name, grid in (
                (f"{y.name}_rest", rest_grid(y)),
                (f"{y.name}_left", rest_grid(y)),
                (f"{y.name}_total", total_grid(y)),
            )
        )
        self.ops += feedback_ops(x, rest, total, y, left)
        self.added.append(QState(rest.name, left.name))

    def _new_tensor(self, wanted: str, shape: tuple[int, ...], like: QTensor) -> QTensor:
        """A tensor on the grid of `like` under a name of its own."""
        name = self._free_name(wanted)
        self.tensors[name] = QTensor(name, shape, *like.grid)
        return self.tensors[name]

    def _free_name(self, wanted: str) -> str:
        """The wanted name, lengthened where it is taken."""
        while wanted in self.tensors:
            wanted += "_"
        return wanted
