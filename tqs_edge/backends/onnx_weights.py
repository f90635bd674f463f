"""Which initializers of an ONNX graph are weight matrices, and how they lie in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class OnnxWeight:
    """How an initializer of `shape` shows as a matrix (rows, depth): rows make outputs.

    transposed: it is stored as (depth, rows)
    """

    shape: tuple[int, ...]
    rows: int
    transposed: bool

    def to_rows(self, value: np.ndarray) -> np.ndarray:
        """A copy of the stored array as (rows, depth), contiguous."""
        return np.array(value.T if self.transposed else value.reshape(self.rows, -1), order="C")

    def to_stored(self, matrix: np.ndarray) -> np.ndarray:
        """The matrix (rows, depth) as it is stored, contiguous."""
        value = matrix.T if self.transposed else matrix.reshape(self.shape)
        return np.ascontiguousarray(value)


def find_weights(graph: onnx.GraphProto) -> dict[str, OnnxWeight]:
    """The weights of a graph by initializer, in the order of its nodes.

    A factor of MatMul or Gemm, also through Transpose and Identity; the weights of Conv (one row
    for each output channel), of RNN, GRU and LSTM (directions and gates in the rows), and the
    table of a Gather. Where two nodes share one, the first decides which way round it is.
    """
    import onnx

    stored = {
        tensor.name: (tensor.name, tuple(tensor.dims), False)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) >= 2
    }
    weights: dict[str, OnnxWeight] = {}
    for node in graph.node:
        if node.op_type in ("Transpose", "Identity") and node.input[0] in stored:
            name, shape, turned = stored[node.input[0]]
            order = _attribute(node, "perm", list(range(len(shape)))[::-1])
            swaps = node.op_type == "Transpose" and list(order) == [1, 0]
            if swaps or node.op_type == "Identity":
                stored[node.output[0]] = (name, shape, turned ^ swaps)
            continue
        for position, depth_first, rows_axes in _uses(node):
            if position >= len(node.input) or node.input[position] not in stored:
                continue
            name, shape, turned = stored[node.input[position]]
            if len(shape) == 2 or rows_axes:
                rows = prod(shape[:rows_axes]) if rows_axes else shape[0]
                transposed = depth_first ^ turned
                weights.setdefault(
                    name, OnnxWeight(shape, shape[1] if transposed else rows, transposed)
                )
    return weights


def _uses(node: onnx.NodeProto) -> Iterator[tuple[int, bool, int]]:
    """(position among the inputs, whether depth comes first, axes that are rows or 0) of weights.

    Without rows axes, the operand must have rank 2.
    """
    match node.op_type:
        case "MatMul":
            yield 1, True, 0
            yield 0, False, 0
        case "Gemm":
            yield 1, not _attribute(node, "transB", 0), 0
            yield 0, bool(_attribute(node, "transA", 0)), 0
        case "Conv":
            yield 1, False, 1
        case "RNN" | "GRU" | "LSTM":
            yield 1, False, 2
            yield 2, False, 2
        case "Gather":
            if _attribute(node, "axis", 0) == 0:
                yield 0, False, 0


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    import onnx

    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)
