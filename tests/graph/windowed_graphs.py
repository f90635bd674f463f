"""Windowed steps as graphs, built layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel


class Step:
    """A graph under construction; every method returns the name of the tensor it adds."""

    def __init__(self, length: int, features: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"x": (1, length, features)}

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

    def last(self, x: str, back: int = 0) -> str:
        """One row, `back` before the last."""
        end = self.shapes[x][1] - back
        shape = (1, 1, self.shapes[x][2])
        return self.op(Op.SLICE, (x,), shape, axis=-2, begin=end - 1, end=end)

    def model(self, output: str, **sizes: int) -> RolloutModel:
        """The step with this output, as a windowed model."""
        _, length, features = self.shapes["x"]
        graph = Graph("x", None, (), output, tuple(self.nodes), self.constants, self.shapes)
        form = RolloutForm.WINDOWED
        block = self.shapes[output][1]
        return RolloutModel(
            "step", "step", graph, form, length, features, block, sizes.get("exog", 0), length
        )


def tcn(
    length: int = 16, dilations: tuple[int, ...] = (1, 2, 4), features: int = 1
) -> RolloutModel:
    """Causal convolutions of kernel 3 with residuals, and a head on the last row."""
    step = Step(length, features)
    h = step.dense("x", 4)
    for dilation in dilations:
        h = step.same(Op.ADD, h, step.same(Op.TANH, step.conv(h, 4, 3, dilation)))
    return step.model(step.dense(step.last(h), features))
