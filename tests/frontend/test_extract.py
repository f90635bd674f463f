"""Canonical Relax -> Graph: operands, attributes, constants, and everything that does not fit."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R

from tqs_edge.frontend.composite import (
    deviation_function,
    normalize_function,
    scalar_function,
    unfold_function,
)
from tqs_edge.frontend.extract import extract_graph
from tqs_edge.graph.graph import Node, Op, StateVariable


@I.ir_module
class Canonical:
    @R.function
    def main(
        x: R.Tensor((1, 4), "float32"),
        exog: R.Tensor((1, 2), "float32"),
        h: R.Tensor((1, 2), "float32"),
        mean: R.Tensor((2,), "float32"),
    ):
        R.func_attr({"num_input": 3, "num_exog": 1, "constants": ["norm.mean"]})
        with R.dataflow():
            x_1_3 = R.strided_slice(x, (1,), (1,), (3,))
            add = R.add(mean, x_1_3)
            sub = R.subtract(mean, exog)
            mul = R.multiply(R.const(np.array([1, 2], "float32")), sub)
            h_next = R.add(add, h)
            y = R.concat((mul, h_next), axis=-1)
            results = (y, h_next)
            R.output(results)
        return results


@I.ir_module
class Impossible:
    @R.function
    def main(x: R.Tensor((1, 4), "float32")):
        R.func_attr({"num_input": 1, "num_exog": 0, "constants": []})
        with R.dataflow():
            exp = R.exp(x)
            every_other = R.strided_slice(exp, (1,), (0,), (4,), (2,))
            y = R.concat((every_other, every_other), axis=1)
            results = (y,)
            R.output(results)
        return results


def test_graph_has_one_node_per_binding_with_constants_second():
    graph, obstacles = extract_graph(Canonical, {"norm.mean": np.zeros(2, np.float32)})
    assert graph is not None and obstacles == []
    assert (graph.input, graph.exog, graph.output) == ("x", "exog", "y")
    assert graph.states == (StateVariable("h", "h_next", (1, 2)),)
    assert graph.nodes == (
        Node("x_1_3", Op.SLICE, ("x",), (1, 2), {"axis": -1, "begin": 1, "end": 3}),
        Node("add", Op.ADD, ("x_1_3", "norm.mean"), (1, 2)),
        Node("sub", Op.SUB, ("norm.mean", "exog"), (1, 2)),
        Node("mul", Op.MUL, ("sub", "mul.constant1"), (1, 2)),
        Node("h_next", Op.ADD, ("add", "h"), (1, 2)),
        Node("y", Op.CONCAT, ("mul", "h_next"), (1, 4), {"axis": -1}),
    )
    assert graph.shapes["exog"] == (1, 2) and graph.shapes["y"] == (1, 4)
    np.testing.assert_array_equal(graph.constants["mul.constant1"], [1, 2])


def test_every_operation_that_does_not_fit_is_collected():
    graph, obstacles = extract_graph(Impossible, {})
    assert graph is None
    assert [(o.layer, o.op) for o in obstacles] == [
        ("exp", "exp"),
        ("every_other", "slice with a stride"),
    ]


def test_operations_on_axes_and_composites_carry_their_attributes():
    graph, obstacles = extract_graph(mixed_module(), {})
    assert graph is not None and obstacles == []
    assert {node.name: (node.op, dict(node.attrs)) for node in graph.nodes} == {
        "turned": (Op.TRANSPOSE, {"axes": (-3, -1, -2)}),
        "product": (Op.MATMUL, {}),
        "weights": (Op.SOFTMAX, {}),
        "mean": (Op.MEAN, {"axis": -2}),
        "total": (Op.SUM, {"axis": -1}),
        "most": (Op.MAX, {"axis": -1}),
        "limited": (Op.CLAMP, {"low": -1.0, "high": 0.5}),
        "larger": (Op.MAXIMUM, {}),
        "quotient": (Op.DIV, {}),
        "windows": (Op.UNFOLD, {"kernel": 2, "dilation": 3, "stride": 1}),
        "normal": (Op.NORMALIZE, {"eps": 0.5}),
        "spread": (Op.DEVIATION, {"eps": 0.25}),
        "curve": (Op.FUNCTION, {"function": "gelu"}),
    }


def mixed_module() -> tvm.IRModule:
    """One of each operation beyond the elementwise ones, by name."""
    x = relax.Var("x", relax.TensorType((1, 6, 4), "float32"))
    builder, call = relax.BlockBuilder(), relax.Call
    with builder.function("main", [x]):
        with builder.dataflow():
            turned = builder.emit(relax.op.permute_dims(x, [0, 2, 1]), "turned")
            product = builder.emit(relax.op.matmul(x, turned), "product")
            builder.emit(relax.op.nn.softmax(product, 2), "weights")
            mean = builder.emit(relax.op.mean(x, 1, keepdims=True), "mean")
            builder.emit(relax.op.sum(x, [2], keepdims=True), "total")
            builder.emit(relax.op.max(x, -1, keepdims=True), "most")
            builder.emit(relax.op.clip(x, -1.0, 0.5), "limited")
            builder.emit(relax.op.maximum(x, mean), "larger")
            builder.emit(relax.op.divide(x, mean), "quotient")
            for name, function in (
                ("windows", unfold_function(x.ty, 2, 3, 1)),
                ("normal", normalize_function(x.ty, 0.5)),
                ("spread", deviation_function(x.ty, 0.25)),
                ("curve", scalar_function(x.ty, "gelu")),
            ):
                last = builder.emit(call(builder.add_func(function, "composite"), [x]), name)
            results = builder.emit_output(relax.Tuple([last]))
        builder.emit_func_output(results)
    module = builder.get()
    attrs = {"num_input": 1, "num_exog": 0, "constants": []}
    module["main"] = module["main"].with_attrs(attrs)
    return module
