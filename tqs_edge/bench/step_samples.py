"""One step of many unrelated parts: chains of operations as models have them, of all kinds and
lengths, from which the costs of loops and kernels are told apart (bench/step_costs.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tqs_edge.bench.sample_graph import INPUTS, REACH, Samples, binary, dense, layer, unary
from tqs_edge.graph.functions import FUNCTIONS
from tqs_edge.graph.graph import Graph, Op
from tqs_edge.plan.bit_plan import BitPlan, RowBlock

CHAINS = 72
CONSTANT_SHARE = 0.15  # of second operands
LENGTHS = (4, 8, 12, 16, 20, 24, 32, 5, 6, 7, 9, 13)  # multiples of four go on lanes
COARSE_ROWS = (4, 12, 36)  # of dense layers so coarse that tables take their outputs rescaled
TABLES = ("gelu", "sin")
POWERS = ("sqrt", "rsqrt", "reciprocal", "log")
SMOOTH = (Op.AFFINE, Op.TANH, Op.SIGMOID, Op.TANH, Op.SIGMOID)
UNARY = (Op.AFFINE, Op.TANH, Op.SIGMOID, Op.RELU, Op.CLAMP)
SUMS = (Op.ADD, Op.SUB, Op.MUL, Op.ADD, Op.MUL)
BINARY = (*SUMS, Op.MAXIMUM)
ROW_SHAPES = ((2, 8), (3, 20), (12, 6), (13, 5), (4, 16))
OVER_ROWS: tuple[tuple[Op, dict[str, Any]], ...] = (
    (Op.SOFTMAX, {}),
    (Op.NORMALIZE, {"eps": 1e-3}),
    (Op.TRANSPOSE, {"axes": (-3, -1, -2)}),
)
# Rows, width, whether 8 bits: rows that begin at words and rows that do not, which are moved apart.
KEPT_ROWS = (
    *((3, 8, False), (9, 16, False), (33, 2, False), (9, 5, False), (5, 7, False)),
    *((17, 4, True), (9, 12, True), (5, 6, True), (9, 3, True)),
)
ROW_KERNELS = ((1, 40), (1, 90), (3, 30))  # rows and lengths of kernels alone
REDUCED: tuple[tuple[Op, dict[str, Any]], ...] = (
    (Op.DEVIATION, {"axis": -1, "eps": 1e-3}),
    (Op.MEAN, {"axis": -1}),
    (Op.MEAN, {"axis": -2}),
    (Op.SUM, {"axis": -1}),
    (Op.MAX, {"axis": -2}),
)
# Shape, axis, neighbours, ends that repeat before and after.
MOVING_SUMS = (
    *(((1, 40, 2), -2, 13, (6, 6)), ((1, 14, 5), -2, 5, (2, 2)), ((1, 20, 4), -2, 9, (0, 0))),
    *(((1, 7, 8), -2, 7, (0, 0)), ((1, 3, 28), -1, 7, (3, 3)), ((1, 30, 3), -2, 7, (6, 0))),
)


def sample_graph(seed: int = 0) -> tuple[Graph, dict[str, float], BitPlan]:
    """The step, the ranges of its tensors and a plan in which half of the activations that dense
    layers read have 8 bits."""
    samples = Samples(np.random.default_rng(seed))
    samples.shapes["x"], samples.ranges["x"] = (1, INPUTS), REACH
    for number in range(CHAINS):
        _chain(samples, LENGTHS[number % len(LENGTHS)], smooth=number % 3 > 0)
    for rows in COARSE_ROWS:
        for op in (Op.TANH, Op.SIGMOID, Op.RELU):
            _coarse(samples, rows, op)
    for shape in ROW_SHAPES:
        _over_rows(samples, (1, *shape))
    for shape in ROW_KERNELS:
        for op, attrs in (*OVER_ROWS[:2], REDUCED[0], REDUCED[1]):
            made = (1, shape[0], 1 if "axis" in attrs else shape[1])
            x = samples.piece((1, *shape))
            samples.keep(samples.node(op, (x,), made, 3.0, attrs=attrs))
    for function in (*TABLES, *POWERS):
        for count in (6, 20):
            _function(samples, function, count)
    _moves(samples)
    _moving_sums(samples)
    return _finished(samples)


def small_graph() -> tuple[Graph, dict[str, float], BitPlan]:
    """As little as a recurrent step does: h' = tanh(x0 + h), y = 0.9 x."""
    samples = Samples(np.random.default_rng(0))
    samples.shapes["x"], samples.ranges["x"] = (1, INPUTS), REACH
    state = samples.state((1, 8))
    total = binary(samples, Op.ADD, samples.piece((1, 8)), state)
    samples.update(state, unary(samples, Op.TANH, total))
    return _finished(samples)


def _finished(samples: Samples) -> tuple[Graph, dict[str, float], BitPlan]:
    y = samples.node(Op.AFFINE, ("x",), (1, INPUTS), REACH, attrs={"scale": 0.9, "offset": 0.0})
    graph = Graph(
        "x", None, tuple(samples.states), y, tuple(samples.nodes), samples.constants, samples.shapes
    )
    return graph, samples.ranges, _plan(graph, samples)


def _chain(samples: Samples, count: int, *, smooth: bool) -> None:
    """A few operations on a state and slices of x; sometimes a dense layer reads the result.

    smooth: without comparisons, for which there are no lanes.
    """
    ones, twos = (SMOOTH, SUMS) if smooth else (UNARY, BINARY)
    rng, shape = samples.rng, (1, count)
    state = samples.state(shape)
    pool = [state, *(samples.piece(shape) for _ in range(3))]
    current = pool[1]
    for _ in range(int(rng.integers(1, 8))):
        if rng.uniform() < 0.4:
            op = ones[rng.integers(len(ones))]
            current = unary(samples, op, current)
        else:
            others = [name for name in pool if name != current]
            op, other = twos[rng.integers(len(twos))], others[rng.integers(len(others))]
            if rng.uniform() < CONSTANT_SHARE:
                other = samples.constant(shape)
            current = binary(samples, op, current, other)
        pool.append(current)
    rows, narrow = int(rng.integers(1, 9)), rng.uniform() < 0.6
    if rng.uniform() < 0.25:  # nothing but a dense layer reads the result
        samples.update(state, samples.piece(shape))
        last = Op.AFFINE if smooth else Op.RELU
        dense(samples, unary(samples, last, current), rows, narrow=narrow)
        return
    samples.update(state, current)
    if rng.uniform() < 0.5:
        dense(samples, current, rows, narrow=narrow)


def _coarse(samples: Samples, rows: int, op: Op) -> None:
    """What reads a dense layer whose rows of 2-bit weights leave no finer output scale."""
    for narrow in (False, True):
        x = samples.piece((1, 8))
        samples.coarse.add(f"w{len(samples.nodes)}")
        if narrow:
            samples.narrow.add(x)
        made = unary(samples, op, layer(samples, x, rows))
        if narrow:
            dense(samples, made, 2, narrow=True)
        else:
            samples.keep(made)


def _over_rows(samples: Samples, shape: tuple[int, ...]) -> None:
    """Kernels over rows, products of matrices, reductions, copies."""
    lead, rows, length = shape
    for op, attrs in OVER_ROWS:
        made = (lead, length, rows) if op is Op.TRANSPOSE else shape
        samples.keep(samples.node(op, (samples.piece(shape),), made, 3.0, attrs=attrs))
    for op, attrs in REDUCED:
        made = (lead, rows, 1) if attrs["axis"] == -1 else (lead, 1, length)
        samples.keep(samples.node(op, (samples.piece(shape),), made, 3.0, attrs=attrs))
    turned = samples.piece((lead, length, rows))
    for a, b in ((samples.piece(shape), turned), (turned, samples.piece(shape))):
        made = (lead, samples.shapes[a][1], samples.shapes[b][2])
        samples.keep(samples.node(Op.MATMUL, (a, b), made, 6.0))
    # A row for all rows, and an element for all elements of a row.
    for small in ((lead, 1, length), (lead, rows, 1)):
        for op in (Op.SUB, Op.MUL):
            samples.keep(_broadcast(samples, op, samples.piece(shape), samples.piece(small)))
            constant = samples.constant(small)
            samples.keep(_broadcast(samples, op, samples.piece(shape), constant))
    kernel = 5 if rows > 8 else 2
    unfolded = {"kernel": kernel, "dilation": 1, "stride": 1}
    patches = (lead, rows - kernel + 1, kernel * length)
    for narrow in (False, True):
        x = samples.node(Op.UNFOLD, (samples.piece(shape),), patches, REACH, attrs=unfolded)
        dense(samples, x, rows=3, narrow=narrow)
        dense(samples, samples.piece(shape), rows=4, narrow=narrow)
    samples.keep(samples.node(Op.UNFOLD, (samples.piece(shape),), patches, REACH, attrs=unfolded))


def _broadcast(samples: Samples, op: Op, a: str, b: str) -> str:
    return samples.node(op, (a, b), samples.shapes[a], 5.0)


def _function(samples: Samples, function: str, count: int) -> None:
    x = samples.piece((1, count))
    if FUNCTIONS[function].low == 0.0:
        x = samples.node(Op.SIGMOID, (x,), (1, count), 1.0)
    attrs = {"function": function}
    samples.keep(samples.node(Op.FUNCTION, (x,), (1, count), 2.0, attrs=attrs))


def _moves(samples: Samples) -> None:
    """Quotients, choices, joined parts, kept rows that move on."""
    for count in (6, 20):
        shape = (1, count)
        a, b, c = (samples.piece(shape) for _ in range(3))
        positive = samples.node(Op.SIGMOID, (b,), shape, 1.0)
        samples.keep(samples.node(Op.DIV, (a, positive), shape, 6.0))
        chosen = {"threshold": 0.1, "strict": 1}
        samples.keep(samples.node(Op.SELECT, (a, b, c), shape, REACH, attrs=chosen))
        joined = {"axis": -1}
        samples.keep(samples.node(Op.CONCAT, (a, b, c), (1, 3 * count), REACH, attrs=joined))
    for rows, width in ((3, 8), (5, 16)):
        pair = samples.piece((1, rows, width)), samples.constant((1, 2, width))
        along = {"axis": -2}
        samples.keep(samples.node(Op.CONCAT, pair, (1, rows + 2, width), REACH, attrs=along))
        heads, axes = samples.piece((1, rows, 2, width // 2)), {"axes": (-4, -2, -3, -1)}
        turned = samples.node(Op.TRANSPOSE, (heads,), (1, 2, rows, width // 2), REACH, attrs=axes)
        samples.keep(turned)
    for rows, width, narrow in KEPT_ROWS:
        state = samples.state((1, rows, width))
        new = unary(samples, Op.AFFINE, samples.piece((1, 1, width)))
        made = samples.node(Op.PUSH, (state, new), (1, rows, width), REACH, attrs={"axis": -2})
        samples.update(state, made, rows_of=new)
        if narrow:
            dense(samples, made, rows=2, narrow=True)


def _moving_sums(samples: Samples) -> None:
    for shape, axis, kernel, (before, after) in MOVING_SUMS:
        made = list(shape)
        made[axis] += before + after - kernel + 1
        ends = {"before": before, "after": after}
        attrs = {"axis": axis, "kernel": kernel, **ends, "gain": 1.0 / kernel}
        x = samples.piece(shape)
        samples.keep(samples.node(Op.MOVING_SUM, (x,), tuple(made), REACH, attrs=attrs))


def _plan(graph: Graph, samples: Samples) -> BitPlan:
    """8-bit weights but for coarse ones; activations of 8 bits where told."""
    blocks = {
        node.weight: (
            RowBlock(
                0, len(graph.constants[node.weight]), 2 if node.weight in samples.coarse else 8
            ),
        )
        for node in graph.dense_nodes()
        if node.weight is not None
    }
    read = {node.inputs[0] for node in graph.dense_nodes()}
    return BitPlan(
        weights=blocks,
        activations={name: 8 if name in samples.narrow else 16 for name in read},
        states={state.name: 16 for state in graph.states if state.rows_of is None},
        method="samples",
    )
