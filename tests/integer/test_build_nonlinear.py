"""Nonlinear nodes: scales, proofs, refusals and saturation counts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.integer.test_build import whole_plan
from tqs_edge.errors import InputError, OverflowUnproven
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.integer.build import build_program
from tqs_edge.integer.build_nonlinear import Q15, build_nonlinear
from tqs_edge.integer.nonlinear_ops import (
    DivideOp,
    LogOp,
    MatmulOp,
    NormalizeOp,
    PowerOp,
    TableOp,
    WaveOp,
)
from tqs_edge.integer.program import AffineOp, IntegerOp, IntegerProgram, QTensor
from tqs_edge.verify.reference import run_step


def ops_of(
    op: Op, x: QTensor, *others: QTensor, y_scale: float = 1e-4, **attrs: object
) -> list[IntegerOp]:
    node = Node("y", op, tuple(t.name for t in (x, *others)), x.shape, attrs)
    return build_nonlinear(node, (x, *others), QTensor("y", x.shape, 16, y_scale)).ops


def tensor(*shape: int, name: str = "x", scale: float = 1e-4) -> QTensor:
    return QTensor(name, shape, 16, scale)


def test_a_magnitude_is_exact_at_its_corner() -> None:
    x, y = tensor(1, 3), QTensor("y", (1, 3), 16, 1e-4)
    node = Node("y", Op.FUNCTION, ("x",), (1, 3), {"function": "abs"})
    built = build_nonlinear(node, (x,), y)
    tensors = {t.name: t for t in (x, y, *built.tensors)}
    program = IntegerProgram("x", None, "y", (), tensors, {}, tuple(built.ops))
    values = run_step(program, {"x": np.array([[[-3, 0, 32767]]])}, dict.fromkeys(tensors, 0))
    assert values["y"].tolist() == [[[3, 0, 32767]]]


@pytest.mark.parametrize(
    ("function", "scale", "kind"),
    [
        ("gelu", 1e-4, TableOp),
        ("sin", 9e-5, TableOp),
        ("sin", 1e-4, WaveOp),
        ("sqrt", 1e-4, PowerOp),
        ("reciprocal", 1e-4, PowerOp),
        ("log", 1e-4, LogOp),
    ],
)
def test_every_function_has_its_operation(function: str, scale: float, kind: type) -> None:
    ops = ops_of(Op.FUNCTION, tensor(1, 4, scale=scale), function=function)
    assert [type(op) for op in ops] == [kind]


def test_an_output_finer_than_the_product_ends_in_a_rescale() -> None:
    a, b = tensor(2, 300), tensor(300, 2, name="b")
    product, rescale = ops_of(Op.MATMUL, a, b, y_scale=1e-8)
    assert isinstance(product, MatmulOp) and product.output == "y_p"
    assert isinstance(rescale, AffineOp) and rescale.output == "y"


def test_64_bit_sums_of_products_cannot_overflow() -> None:
    for depth in (1, 2, 300, 5000):
        op = ops_of(Op.MATMUL, tensor(1, depth), tensor(depth, 1, name="b"), y_scale=1e-6)[0]
        assert isinstance(op, MatmulOp)
        assert (depth << 30) * op.multiplier + (1 << (op.shift - 1)) < 1 << 63


def test_softmax_over_too_many_elements_is_refused() -> None:
    with pytest.raises(OverflowUnproven, match="'y': softmax over 5000 elements"):
        ops_of(Op.SOFTMAX, tensor(1, 5000), y_scale=Q15)


def test_softmax_of_steps_that_no_multiplier_holds_is_refused() -> None:
    with pytest.raises(OverflowUnproven, match="clamp them to"):
        ops_of(Op.SOFTMAX, tensor(1, 5, scale=0.3), y_scale=Q15)


def test_variances_beyond_62_bits_are_refused() -> None:
    with pytest.raises(OverflowUnproven, match="32768 elements"):
        ops_of(Op.NORMALIZE, tensor(1, 32768), eps=1e-5)
    with pytest.raises(OverflowUnproven, match="eps of at most"):
        ops_of(Op.DEVIATION, tensor(1, 4, scale=1e-8), eps=1e3)


def test_an_epsilon_below_one_unit_keeps_the_root_defined() -> None:
    op = ops_of(Op.NORMALIZE, tensor(1, 4, scale=1.0), eps=1e-12)[0]
    assert isinstance(op, NormalizeOp) and op.epsilon == 1


def test_products_of_unlike_batches_are_refused() -> None:
    with pytest.raises(InputError, match="leading axes must be equal"):
        ops_of(Op.MATMUL, tensor(2, 3, 4), tensor(3, 4, 5, name="b"))


def test_divisors_below_one_are_counted_as_saturation() -> None:
    x, e, y = tensor(1, 4), tensor(1, 4, name="e"), tensor(1, 4, name="y")
    op = build_nonlinear(Node("y", Op.DIV, ("x", "e"), (1, 4)), (x, e), y).ops[0]
    assert isinstance(op, DivideOp)
    program = IntegerProgram("x", "e", "y", (), {"x": x, "e": e, "y": y}, {}, (op,))
    counts = {"y": 0, "x": 0, "e": 0}
    values = {"x": np.array([[[0, 0, 0, 0]]]), "e": np.array([[[5, 0, -3, 1]]])}
    run_step(program, values, counts)
    assert counts["y"] == 2


def test_inputs_beyond_a_saturated_table_are_counted() -> None:
    x, y = tensor(1, 3), tensor(1, 3, name="y")  # exp(x) fits up to x = ln(3.2767) = 1.19
    op = build_nonlinear(Node("y", Op.FUNCTION, ("x",), (1, 3), {"function": "exp"}), (x,), y).ops[
        0
    ]
    program = IntegerProgram("x", None, "y", (), {"x": x, "y": y}, {}, (op,))
    counts = {"y": 0, "x": 0}
    run_step(program, {"x": np.array([[[-30000, 11000, 13000]]])}, counts)
    assert counts["y"] == 1


def test_states_of_8_bits_read_and_keep_nonlinear_values() -> None:
    nodes = (
        Node("e", Op.FUNCTION, ("h",), (1, 2), {"function": "exp"}),
        Node("h_next", Op.NORMALIZE, ("x",), (1, 2), {"eps": 1e-3}),
        Node("y", Op.DIV, ("x", "e"), (1, 2)),
    )
    shapes = {"x": (1, 2), "h": (1, 2), **{n.name: n.shape for n in nodes}}
    graph = Graph("x", None, (StateVariable("h", "h_next", (1, 2)),), "y", nodes, {}, shapes)
    ranges = {"x": 1.0, "h": 1.0, "e": 3.0, "h_next": 1.0, "y": 2.0}
    program = build_program(graph, whole_plan(graph, 8, 16, 8), ranges)
    tensors = program.tensors
    assert [tensors[n].bits for n in ("h", "h_q16", "e", "h_next", "h_carry", "y")] == [
        *(8, 16, 16, 16, 8, 16)
    ]
    assert tensors["y"].scale == tensors["x"].scale
