"""The float step function as data: named tensors, named operations, named constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np


class Op(StrEnum):
    """What a node computes. Every operation works on whole tensors and has one output."""

    DENSE = "dense"  # y[..., o] = sum_d x[..., d] * weight[o, d] + bias[o]
    ADD = "add"  # a + b, NumPy broadcasting; b may be a constant
    SUB = "sub"  # a - b; either may be a constant
    MUL = "mul"  # a * b; b may be a constant
    DIV = "div"  # a / b of two tensors, b > 0 throughout; broadcasting
    MAXIMUM = "maximum"  # of a and b; b may be a constant
    MINIMUM = "minimum"  # of a and b; b may be a constant
    # attrs threshold, strict: x, a, b -> a where x > threshold, or x >= threshold unless strict; b
    # elsewhere; a and b may be constants
    SELECT = "select"
    MATMUL = "matmul"  # y[..., m, n] = sum_k a[..., m, k] * b[..., k, n]; both are tensors
    AFFINE = "affine"  # attrs scale, offset: x * scale + offset
    CLAMP = "clamp"  # attrs low, high: min(max(x, low), high)
    TANH = "tanh"
    SIGMOID = "sigmoid"
    RELU = "relu"
    FUNCTION = "function"  # attrs function: a name in graph.functions.FUNCTIONS, elementwise
    MEAN = "mean"  # attrs axis (negative), which stays with extent 1
    SUM = "sum"  # attrs axis (negative), which stays with extent 1
    MAX = "max"  # attrs axis (negative), which stays with extent 1
    # Moving sums along attrs axis (negative): attrs kernel, gain > 0, before, after;
    # y[t] = gain * sum_{j < kernel} x[clamp(t + j - before)], where places up to `before` ahead of
    # the first entry and up to `after` behind the last are those of the ends
    MOVING_SUM = "moving_sum"
    SOFTMAX = "softmax"  # over the last axis
    NORMALIZE = "normalize"  # attrs eps: (x - mean) / sqrt(variance + eps) over the last axis
    DEVIATION = "deviation"  # attrs eps: sqrt(variance + eps) over the last axis, extent 1 then
    SLICE = "slice"  # attrs axis (negative), begin, end; stride 1
    CONCAT = "concat"  # attrs axis (negative); parts may be constants
    RESHAPE = "reshape"  # to the node's shape, row-major
    TRANSPOSE = "transpose"  # attrs axes (negative): y's axis i is x's axis axes[i]
    # Rows of a time axis laid side by side, what a convolution multiplies: attrs kernel, dilation,
    # stride; y[..., t, j * C + c] = x[..., t * stride + j * dilation, c]; no padding
    UNFOLD = "unfold"
    PUSH = "push"  # attrs axis (negative): the first operand less its oldest row, then the second


@dataclass(frozen=True)
class Node:
    """One operation; its only output is the tensor called `name` (a valid C identifier).

    `inputs` name tensors or entries of `Graph.constants`. A DENSE node has one input and names its
    `weight` (rows, depth) and optional `bias` (rows,) in `Graph.constants`. Variances are over n.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    attrs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    weight: str | None = None
    bias: str | None = None


@dataclass(frozen=True)
class StateVariable:
    """A tensor carried between steps: read under `name`, replaced by the tensor `update`.

    rows_of: the tensor whose last rows it holds, where that is all it does; else None
    """

    name: str
    update: str
    shape: tuple[int, ...]
    rows_of: str | None = None


@dataclass(frozen=True)
class Graph:
    """One step, (x, exog, state...) -> (output, state...), in topological order.

    `input` and `exog` (None without exogenous inputs) are tensors with `shapes`. `constants` are
    float32 arrays by parameter path ("cell.weight_hh").
    """

    input: str
    exog: str | None
    states: tuple[StateVariable, ...]
    output: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]

    def node(self, name: str) -> Node:
        """The node that produces tensor `name`; KeyError for inputs, states and constants."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def dense_nodes(self) -> tuple[Node, ...]:
        """The DENSE nodes in execution order."""
        return tuple(node for node in self.nodes if node.op is Op.DENSE)

    def consumers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read tensor `name`, in execution order."""
        return tuple(node for node in self.nodes if name in node.inputs)
