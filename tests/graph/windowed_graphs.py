"""Windowed steps as graphs, built layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel


class Step:
    """A graph under construction; every method returns the name of the tensor it adds. `exog` has
    `known` rows of two columns."""

    def __init__(self, length: int, features: int, seed: int = 0, known: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"x": (1, length, features)}
        if known:
            self.shapes["exog"] = (1, known, 2)

    def op(self, op: Op, inputs: tuple[str, ...], shape: tuple[int, ...], **fields: Any) -> str:
        """Any node; `fields` other than weight and bias are its attributes."""
        name = fields.pop("name", f"{op}_{len(self.nodes)}")
        dense = {key: fields.pop(key) for key in ("weight", "bias") if key in fields}
        self.nodes.append(Node(name, op, inputs, shape, fields, **dense))
        self.shapes[name] = shape
        return name

    def same(self, op: Op, *inputs: str, **attrs: Any) -> str:
        """An elementwise operation in the shape of its first input."""
        return self.op(op, inputs, self.shapes[inputs[0]], **attrs)

    def dense(self, x: str, rows: int) -> str:
        """A dense layer with bias and random weights."""
        depth, path = self.shapes[x][-1], f"dense{len(self.nodes)}"
        weight = self.random.standard_normal((rows, depth)) / np.sqrt(depth)
        self.constants[f"{path}.weight"] = weight.astype(np.float32)
        self.constants[f"{path}.bias"] = self.random.standard_normal(rows).astype(np.float32) / 8
        shape = (*self.shapes[x][:-1], rows)
        return self.op(Op.DENSE, (x,), shape, weight=f"{path}.weight", bias=f"{path}.bias")

    def pad(self, x: str, before: int, after: int = 0) -> str:
        """Rows of zeros before and after those of x."""
        _, rows, columns = self.shapes[x]
        inputs = [x]
        for place, count in ((0, before), (2, after)):
            if count:
                path = f"zeros{len(self.nodes)}_{place}"
                self.constants[path] = np.zeros((1, count, columns), np.float32)
                inputs.insert(0 if place == 0 else len(inputs), path)
        return self.op(Op.CONCAT, tuple(inputs), (1, before + rows + after, columns), axis=-2)

    def conv(self, x: str, channels: int, kernel: int, dilation: int = 1, after: int = 0) -> str:
        """A convolution along time that keeps the number of rows; causal unless `after`."""
        reach = (kernel - 1) * dilation
        padded = self.pad(x, reach - after, after)
        shape = (1, self.shapes[x][1], kernel * self.shapes[x][2])
        rows = self.op(Op.UNFOLD, (padded,), shape, kernel=kernel, dilation=dilation, stride=1)
        return self.dense(rows, channels)

    def strided(self, x: str, channels: int, kernel: int, stride: int, dilation: int = 1) -> str:
        """A convolution without padding whose last row reads the last row of x: patches."""
        _, rows, columns = self.shapes[x]
        spare = (rows - 1 - (kernel - 1) * dilation) % stride
        if spare:
            shape = (1, rows - spare, columns)
            x = self.op(Op.SLICE, (x,), shape, axis=-2, begin=spare, end=rows)
        out = (rows - 1 - (kernel - 1) * dilation) // stride + 1
        attrs = {"kernel": kernel, "dilation": dilation, "stride": stride}
        return self.dense(self.op(Op.UNFOLD, (x,), (1, out, kernel * columns), **attrs), channels)

    def average(self, x: str, kernel: int, before: int = 0, after: int = 0) -> str:
        """Moving averages of the rows of x between copies of its first and of its last."""
        shape = (1, self.shapes[x][1] + before + after - kernel + 1, self.shapes[x][2])
        ends = {"before": before, "after": after}
        gain = 1.0 / kernel
        return self.op(Op.MOVING_SUM, (x,), shape, axis=-2, kernel=kernel, **ends, gain=gain)

    def last(self, x: str, back: int = 0, rows: int = 1) -> str:
        """Rows of which the newest is `back` before the last; one unless `rows` says more."""
        end = self.shapes[x][1] - back
        shape = (1, rows, self.shapes[x][2])
        return self.op(Op.SLICE, (x,), shape, axis=-2, begin=end - rows, end=end)

    def rows_ahead(self, x: str, block: int) -> str:
        """The block of output rows, features as those of the window, from one row of x."""
        features = self.shapes["x"][2]
        made = self.dense(x, block * features)
        return self.op(Op.RESHAPE, (made,), (1, block, features))

    def model(self, output: str) -> RolloutModel:
        """The step with this output, as a windowed model."""
        _, length, features = self.shapes["x"]
        _, known, columns = self.shapes.get("exog", (1, 1, 0))
        exog = "exog" if columns else None
        graph = Graph("x", exog, (), output, tuple(self.nodes), self.constants, self.shapes)
        form, block = RolloutForm.WINDOWED, self.shapes[output][1]
        return RolloutModel(
            *("step", "step", graph, form, length, features, block, known * columns, length),
            exog_rows=known,
        )


def tcn(
    length: int = 16,
    dilations: tuple[int, ...] = (1, 2, 4),
    features: int = 1,
    block: int = 1,
) -> RolloutModel:
    """Causal convolutions of kernel 3 with residuals, and a head on the last row."""
    step = Step(length, features)
    h = step.dense("x", 4)
    for dilation in dilations:
        h = step.same(Op.ADD, h, step.same(Op.TANH, step.conv(h, 4, 3, dilation)))
    return step.model(step.rows_ahead(step.last(h), block))


def averages(
    length: int, kernels: tuple[int, ...], features: int = 1, block: int = 1, stride: int = 1
) -> RolloutModel:
    """What causal moving averages leave of layers, one after the other, read at the last row. The
    first layer has every `stride`-th row of the window."""
    step = Step(length, features)
    h = step.strided("x", 4, 1, stride)
    for kernel in kernels:
        trend = step.average(h, kernel)
        rest = step.same(Op.SUB, step.last(h, rows=step.shapes[trend][1]), trend)
        h = step.same(Op.ADD, step.same(Op.TANH, step.dense(rest, 4)), trend)
    return step.model(step.rows_ahead(step.last(h), block))


def driven_tcn(
    length: int, block: int, known: int, dilations: tuple[int, ...] = (1, 2), lead: int = 0
) -> RolloutModel:
    """A TCN on window rows beside the exogenous rows of `lead` moments later, as many as there are
    of both, and a head on the last row and the exogenous rows of the block."""
    step = Step(length, 1, known=known)
    first = length + block - known  # moment of the first exogenous row
    begin = max(first - lead, 0)
    rows = length - begin
    x = step.last("x", rows=rows)
    later = step.last("exog", back=block - lead, rows=rows)
    h = step.dense(step.op(Op.CONCAT, (x, later), (1, rows, 3), axis=-1), 4)
    for dilation in dilations:
        h = step.same(Op.ADD, h, step.same(Op.TANH, step.conv(h, 4, 3, dilation)))
    ahead = step.dense(step.last("exog", rows=min(block, known)), 2)
    code = step.op(Op.RESHAPE, (ahead,), (1, 1, 2 * min(block, known)))
    depth = 4 + 2 * min(block, known)
    both = step.op(Op.CONCAT, (step.last(h), code), (1, 1, depth), axis=-1)
    return step.model(step.rows_ahead(both, block))


def all_known(length: int, block: int) -> RolloutModel:
    """A dense layer over every moment of window and forecast, each projected first: TiDE."""
    step = Step(length, 1, known=length + block)
    rows = step.same(Op.RELU, step.dense("exog", 2))
    x = step.same(Op.TANH, step.dense("x", 2))
    flat = [step.op(Op.RESHAPE, (part,), (1, 1, 2 * step.shapes[part][1])) for part in (rows, x)]
    both = step.op(Op.CONCAT, tuple(flat), (1, 1, 4 * length + 2 * block), axis=-1)
    return step.model(step.rows_ahead(both, block))


def strided_stack(length: int, layers: list[tuple[int, int, int]], block: int) -> RolloutModel:
    """Convolutions of (kernel, stride, dilation) without padding, and a head on all rows left.

    Every other layer has a residual connection, whose rows are cut to those of its layer.
    """
    step = Step(length, 2)
    h = step.dense("x", 4)
    for number, (kernel, stride, dilation) in enumerate(layers):
        deeper = step.same(Op.TANH, step.strided(h, 4, kernel, stride, dilation))
        if stride == 1 and number % 2:
            deeper = step.same(Op.ADD, deeper, step.last(h, rows=step.shapes[deeper][1]))
        h = deeper
    flat = step.op(Op.RESHAPE, (h,), (1, 1, 4 * step.shapes[h][1]))
    return step.model(step.rows_ahead(flat, block))
