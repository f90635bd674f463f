"""ONNX graph -> torch module: what is known is computed, weights get paths, the rest is called."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tqs_edge.errors import InputError, TqsError, UnsupportedOp
from tqs_edge.frontend.name_sites import identifier
from tqs_edge.frontend.onnx.file import OnnxModel, first_line
from tqs_edge.frontend.onnx.layout import constant_value
from tqs_edge.frontend.onnx.module import Argument, Call, OnnxModule
from tqs_edge.frontend.onnx.node import OnnxNode, Operand, Operator
from tqs_edge.frontend.onnx.operators import ALTERNATIVES, NEAREST, OPERATORS
from tqs_edge.frontend.onnx.paths import is_anonymous, scope_of
from tqs_edge.frontend.onnx.patterns import with_patterns
from tqs_edge.frontend.onnx.prepare import prepared_call
from tqs_edge.frontend.onnx.recurrent import GATES
from tqs_edge.frontend.onnx.values import Values, use_counts


@dataclass(frozen=True, eq=False)
class ImportedGraph:
    """module: forward(**inputs), zeros where there is an obstacle; None where not even the shape
    is known. inputs: zeros, by the name of the argument."""

    module: OnnxModule | None
    inputs: dict[str, torch.Tensor]
    obstacles: tuple[UnsupportedOp, ...]


def import_graph(model: OnnxModel) -> ImportedGraph:
    """The graph of a model file as a torch module, with every operation it has no counterpart for.

    Shapes are those of the inputs, the batch 1. Raises InputError for a damaged graph and for
    opsets before 13.
    """
    proto = with_patterns(_inlined(model.proto), model.constants)
    arguments = _argument_names([value.name for value in model.inputs])
    values = Values(dict(model.constants), use_counts(proto.graph))
    values.examples = {value.name: torch.zeros(value.shape) for value in model.inputs}
    builder = _Builder(proto, values, _opset(model, proto))
    with torch.no_grad():
        for node in proto.graph.node:
            builder.add(node)
    inputs = dict(zip(arguments, (value.name for value in model.inputs), strict=True))
    module = None
    if not values.unknown:
        outputs = [builder.source(name) for name in model.outputs]
        module = OnnxModule(builder.calls, values.parameters, inputs, outputs).eval()
    examples = {argument: values.examples[name] for argument, name in inputs.items()}
    return ImportedGraph(module, examples, tuple(builder.obstacles))


class _Builder:
    """Takes the nodes in their order and keeps the calls that remain."""

    def __init__(self, proto: Any, values: Values, opset: int) -> None:
        self.proto, self.values, self.opset = proto, values, opset
        self.calls: list[Call] = []
        self.obstacles: list[UnsupportedOp] = []
        self.readers = {
            name: node for node in proto.graph.node for name in node.input if values.uses[name] == 1
        }
        for node in proto.graph.node:  # biases may stand after the products they are added to
            if node.op_type == "Constant":
                self._constant(self._read(node))

    def add(self, proto: Any) -> None:
        """Folds a node, or appends the call that carries it out, or notes an obstacle."""
        node, values = self._read(proto), self.values
        if node.op == "Constant" or all(name in values.examples for name in node.outputs if name):
            return
        for name in node.inputs:
            if name and not any(name in d for d in (values.known, values.examples, values.unknown)):
                raise InputError(f"node '{node.name}' reads '{name}', which nothing makes")
        try:
            if node.op not in (*OPERATORS, "Shape", "Size"):
                raise UnsupportedOp(node.name, node.op, ALTERNATIVES.get(node.op, NEAREST))
            if any(name in values.unknown for name in node.inputs):
                raise _Behind
            self._carry_out(node, scope_of(proto))
        except _Behind:
            values.unknown.update(name for name in node.outputs if name)
        except UnsupportedOp as error:
            self.obstacles.append(error)
            self._stand_in(node)

    def _carry_out(self, node: OnnxNode, scope: str) -> None:
        values = self.values
        if node.op in ("Shape", "Size"):
            self._shape(node)
            return
        operator = OPERATORS[node.op]
        if all(name in values.known for name in node.inputs if name) and node.op not in GATES:
            self._fold(node, operator)
            return
        call = prepared_call(node, scope, values, self.readers)
        if call is None:
            arguments = tuple(
                self.argument(node, name, position, scope)
                for position, name in enumerate(node.inputs)
            )
            call = Call(node, arguments, operator.run)
        operands = [self._example(argument) for argument in call.arguments]
        for name, result in _results(call.node, call.run, operands):
            values.examples[name] = result
        self.calls.append(call)

    def _stand_in(self, node: OnnxNode) -> None:
        """Zeros in place of what a node would make, so that obstacles behind it are seen too."""
        zeros = []
        for name in filter(None, node.outputs):
            if name in self.shapes:
                zeros.append(torch.zeros(self.shapes[name]))
                self.values.examples[name] = zeros[-1]
            else:
                self.values.unknown.add(name)
        self.calls.append(Call(node, (), lambda _node, _operands: tuple(zeros)))

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the float32 values that ONNX can infer."""
        from onnx import TensorProto, shape_inference

        try:
            graph = shape_inference.infer_shapes(self.proto).graph
        except Exception:  # it has many classes; without shapes, fewer obstacles are seen
            return {}
        return {
            value.name: tuple(int(extent.dim_value) or 1 for extent in kind.shape.dim)
            for value in (*graph.value_info, *graph.output)
            if (kind := value.type.tensor_type).elem_type == TensorProto.FLOAT
            and kind.HasField("shape")
        }

    def source(self, name: str) -> Argument:
        """Where an output of the step comes from."""
        if name in self.values.known:
            return Argument(parameter=self.values.constant(name, "", 0, ""))
        if name not in self.values.examples:
            raise InputError(f"the graph returns '{name}', which nothing makes")
        return Argument(tensor=name)

    def argument(self, node: OnnxNode, name: str, position: int, scope: str) -> Argument:
        """Where operand `position` of a node comes from."""
        operator, values = OPERATORS.get(node.op), self.values
        if not name:
            return Argument()
        if operator is not None and position in operator.static:
            if name not in values.known:
                raise node.unsupported(
                    f"with computed '{name}'", "export with fixed shapes and constant arguments"
                )
            return Argument(value=values.known[name])
        if name not in values.known:
            return Argument(tensor=name)
        value = values.known[name]
        if operator is not None and operator.numbers and value.dtype == np.float32:
            ranks = [v.ndim for n in node.inputs if (v := values.examples.get(n)) is not None]
            if value.size == 1 and value.ndim <= max(ranks):
                return Argument(value=float(value.reshape(-1)[0]))
        return Argument(parameter=values.constant(name, node.op, position, scope))

    def _example(self, argument: Argument) -> Operand:
        if argument.tensor:
            return self.values.examples[argument.tensor]
        if argument.parameter:
            return torch.from_numpy(np.array(self.values.parameters[argument.parameter]))
        return argument.value

    def _fold(self, node: OnnxNode, operator: Operator) -> None:
        """Computes a node of constants and keeps where a transposed initializer came from."""
        known = self.values.known
        operands = [
            None
            if not name
            else known[name]
            if position in operator.static
            else torch.from_numpy(np.array(known[name]))
            for position, name in enumerate(node.inputs)
        ]
        for name, result in _results(node, operator.run, operands):
            known[name] = result.contiguous().numpy()
        source = node.inputs[0] if node.inputs else ""
        swapped = node.op == "Transpose" and known[source].ndim == 2
        if node.op == "Identity" or (swapped and node.get("perm", [1, 0]) == [1, 0]):
            base, turned = self.values.origin.get(source, (source, False))
            self.values.origin[node.outputs[0]] = (base, turned ^ swapped)

    def _shape(self, node: OnnxNode) -> None:
        name = node.inputs[0]
        value = self.values.known.get(name, self.values.examples.get(name))
        assert value is not None
        extents = np.array(value.shape, np.int64)
        if node.op == "Size":
            self.values.known[node.outputs[0]] = np.array(extents.prod(), np.int64)
            return
        cut = slice(node.get("start", 0), node.get("end"))
        self.values.known[node.outputs[0]] = extents[cut]

    def _constant(self, node: OnnxNode) -> None:
        value = constant_value(node)
        if value is None:
            self.obstacles.append(node.unsupported("of text or sparse values", "use numbers"))
            self.values.unknown.update(node.outputs)
            return
        self.values.known[node.outputs[0]] = value

    def _read(self, proto: Any) -> OnnxNode:
        from onnx import helper, numpy_helper

        attributes = {}
        for attribute in proto.attribute:
            value = helper.get_attribute_value(attribute)
            if attribute.type == attribute.TENSOR:
                value = numpy_helper.to_array(value)
            elif isinstance(value, bytes):
                value = value.decode(errors="replace")
            elif attribute.type == attribute.STRINGS:
                value = [text.decode(errors="replace") for text in value]
            attributes[attribute.name] = value
        name = proto.name or (proto.output[0] if proto.output else proto.op_type)
        inputs, outputs = tuple(proto.input), tuple(proto.output)
        op = f"{proto.domain}.{proto.op_type}".removeprefix("ai.onnx").lstrip(".")
        return OnnxNode(name, op, inputs, outputs, attributes, self.opset)


class _Behind(Exception):
    """The node reads what an obstacle would have made."""


def _results(
    node: OnnxNode, run: Any, operands: Sequence[Operand]
) -> list[tuple[str, torch.Tensor]]:
    """(name, value) of the outputs that are used; InputError for operands that do not fit."""
    try:
        result = run(node, operands)
    except TqsError:
        raise
    except Exception as error:  # torch has many classes for shapes that do not fit
        raise InputError(
            f"node '{node.name}' ({node.op}) does not fit its inputs: {first_line(error)}; export "
            "the model again"
        ) from error
    results = result if isinstance(result, tuple) else (result,)
    return [(name, value) for name, value in zip(node.outputs, results, strict=False) if name]


def _inlined(proto: Any) -> Any:
    """The model with calls of its own functions replaced by their bodies."""
    if not proto.functions:
        return proto
    from onnx import inliner

    return inliner.inline_local_functions(proto)


def _opset(model: OnnxModel, proto: Any) -> int:
    version = max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if version < 13:
        raise InputError(f"'{model.label}' has opset {version}; export it with opset 13 or later")
    return int(version)


def _argument_names(names: Sequence[str]) -> list[str]:
    """Distinct Python names for the inputs; "state" for what an exporter numbered."""
    chosen: list[str] = []
    for position, name in enumerate(names):
        plain = ("state" if position else "x") if is_anonymous(name) else identifier(name)
        wanted, count = plain, 1
        while plain in chosen:
            count += 1
            plain = f"{wanted}_{count}"
        chosen.append(plain)
    return chosen
