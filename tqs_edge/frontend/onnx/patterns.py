"""GELU and LayerNorm that exporters wrote out as elementary operations become one node again.

Opsets before 20 have no Gelu and those before 17 no LayerNormalization. As one node they keep one
rounding and the kernel that is made for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from tqs_edge.frontend.onnx.values import use_counts

CLOSE = 1e-5  # relative: exporters write constants in float32


def with_patterns(proto: Any, constants: Mapping[str, np.ndarray]) -> Any:
    """The model with patterns replaced and without nodes that no output needs; a copy."""
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph = _Graph(list(made.graph.node), _known(made.graph, constants), use_counts(made.graph))
    new = {id(old): node for old, node in (*_gelus(graph), *_layer_norms(graph))}
    nodes = [new.get(id(node), node) for node in graph.nodes]
    needed = {output.name for output in made.graph.output}
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del made.graph.node[:]
    made.graph.node.extend(reversed(kept))
    return made


class _Graph:
    """Who makes and who alone reads a value, and the constants of one element."""

    def __init__(
        self, nodes: list[Any], known: Mapping[str, np.ndarray], uses: Mapping[str, int]
    ) -> None:
        self.nodes, self.known = nodes, known
        self.makers = {name: node for node in nodes for name in node.output}
        self.readers = {
            name: node for node in nodes for name in node.input if name and uses[name] == 1
        }

    def made_by(self, name: str, *ops: str) -> Any:
        """The node of one of these operations that makes a value, or None."""
        node = self.makers.get(name)
        return node if node is not None and node.op_type in ops else None

    def read_by(self, name: str, op: str) -> Any:
        """The node of this operation that alone reads a value, or None."""
        node = self.readers.get(name)
        return node if node is not None and node.op_type == op else None

    def number(self, name: str) -> float:
        """The constant of one element, or NaN."""
        value = self.known.get(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else np.nan

    def is_number(self, name: str, wanted: float) -> bool:
        return abs(self.number(name) - wanted) <= CLOSE * wanted


def _known(graph: Any, constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    known = dict(constants)
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                known[node.output[0]] = numpy_helper.to_array(attribute.t)
    return known


def _other(node: Any, name: str) -> str:
    """The operand of a binary node that is not `name`; the same twice gives `name`."""
    first, second = node.input
    return str(second if first == name else first)


def _gelus(graph: _Graph) -> Iterator[tuple[Any, Any]]:
    """(last node, Gelu) for each x * 0.5 * (1 + erf(x / sqrt(2))), in any order of the factors."""
    from onnx import helper

    for erf in graph.nodes:
        scaled = graph.made_by(erf.input[0], "Div", "Mul") if erf.op_type == "Erf" else None
        if scaled is None:
            continue
        x, by = scaled.input
        if not graph.is_number(by, sqrt(2.0) if scaled.op_type == "Div" else sqrt(0.5)):
            continue
        last = graph.read_by(erf.output[0], "Add")
        if last is None or not graph.is_number(_other(last, erf.output[0]), 1.0):
            continue
        factors: list[str] = []
        while last is not None and len(factors) < 2:
            product = graph.read_by(last.output[0], "Mul")
            if product is not None:
                factor = _other(product, last.output[0])
                halved = graph.made_by(factor, "Mul")
                factors += [factor] if halved is None or factor == x else list(halved.input)
            last = product
        halves = [name for name in factors if graph.is_number(name, 0.5)]
        if last is not None and len(factors) == 2 and halves and x in factors:
            yield last, helper.make_node("Gelu", [x], list(last.output), name=last.name)


@dataclass(frozen=True)
class _Centred:
    """x - mean(x) over the last axis."""

    x: str
    name: str


def _layer_norms(graph: _Graph) -> Iterator[tuple[Any, Any]]:
    """(last node, LayerNormalization) for each (x - mean) / sqrt(variance + eps) * w + b."""
    from onnx import helper

    for root in graph.nodes:
        added = graph.made_by(root.input[0], "Add") if root.op_type == "Sqrt" else None
        last = graph.read_by(root.output[0], "Div") if added is not None else None
        if added is None or last is None or last.input[1] != root.output[0]:
            continue
        centred = _centred(graph, last.input[0])
        for variance, epsilon in (added.input, reversed(added.input)):
            if centred is None or not graph.number(epsilon) >= 0.0:
                continue
            if not _is_variance(graph, variance, centred):
                continue
            inputs = [centred.x]
            for op in ("Mul", "Add"):
                reader = graph.read_by(last.output[0], op)
                value = "" if reader is None else _other(reader, last.output[0])
                if value not in graph.known or graph.known[value].ndim != 1:
                    break
                inputs.append(value)
                last = reader
            made = helper.make_node(
                "LayerNormalization",
                inputs,
                list(last.output),
                name=last.name,
                axis=-1,
                epsilon=graph.number(epsilon),
            )
            made.metadata_props.extend(last.metadata_props)
            yield last, made


def _centred(graph: _Graph, name: str) -> _Centred | None:
    difference = graph.made_by(name, "Sub")
    if difference is None:
        return None
    x, mean = difference.input
    averaged = graph.made_by(mean, "ReduceMean")
    same = averaged is not None and averaged.input[0] == x and _over_last(graph, averaged)
    return _Centred(x, name) if same else None


def _is_variance(graph: _Graph, name: str, centred: _Centred) -> bool:
    averaged = graph.made_by(name, "ReduceMean")
    if averaged is None or not _over_last(graph, averaged):
        return False
    square = graph.made_by(averaged.input[0], "Pow", "Mul")
    if square is None or square.input[0] != centred.name:
        return False
    if square.op_type == "Mul":
        return bool(square.input[1] == centred.name)
    return graph.is_number(square.input[1], 2.0)


def _over_last(graph: _Graph, reduction: Any) -> bool:
    """Whether a reduction runs over the axis -1 alone and keeps it."""
    from onnx import helper

    given = {a.name: helper.get_attribute_value(a) for a in reduction.attribute}
    axes = graph.known.get(reduction.input[1]) if len(reduction.input) > 1 else given.get("axes")
    return bool(given.get("keepdims", 1)) and axes is not None and list(axes) == [-1]
