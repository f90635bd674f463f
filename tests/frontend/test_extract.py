"""Canonical Relax -> Graph: operands, attributes, constants, and everything that does not fit."""

from __future__ import annotations

import numpy as np
from tvm.script import ir as I
from tvm.script import relax as R

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
