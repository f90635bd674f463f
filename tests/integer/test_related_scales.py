"""Scales that are powers of two of each other, and sums that then need 32 bits."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.graphs import gru_graph
from tests.integer.test_build import whole_plan
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.integer.build import build_program
from tqs_edge.integer.constants import affine_op
from tqs_edge.integer.program import AffineOp, IntegerProgram, ProductOp, QTensor
from tqs_edge.integer.related_scales import at_least
from tqs_edge.passes.fixed_point_tir import affine_form

scales = st.floats(2.0**-20, 2.0**-8)


@given(scales, scales)
def test_at_least_is_the_next_power_of_two_of_the_unit(scale: float, unit: float) -> None:
    got = at_least(scale, unit)
    assert scale <= got < 2 * scale
    assert math.frexp(got / unit)[0] == 0.5


def test_the_gates_of_a_gru_need_no_64_bits() -> None:
    model = gru_graph(0)
    contexts = np.random.default_rng(1).normal(size=(4, 10, model.features)).astype(np.float32)
    ranges = observe_ranges(model, contexts, 60)
    program = build_program(model.graph, whole_plan(model.graph, 8, 16, 16), ranges)
    sums = [op for op in program.ops if isinstance(op, AffineOp) and len(op.inputs) == 2]
    assert sums and not any(affine_form(op, program).wide for op in sums)
    products = [op for op in program.ops if isinstance(op, ProductOp)]
    assert products and all(op.multiplier & (op.multiplier - 1) == 0 for op in products)


@given(scales, scales, st.lists(st.integers(-32768, 32767), min_size=2, max_size=2))
def test_short_multipliers_move_a_sum_by_at_most_one(
    scale_a: float, scale_b: float, x: list[int]
) -> None:
    a, b = QTensor("a", (1,), 16, scale_a), QTensor("b", (1,), 16, scale_b)
    y = QTensor("y", (1,), 16, max(scale_a, scale_b))
    op = affine_op((a, b), (1.0, -1.0), 0.0, y)
    total = sum((v << op.left_shift) * m for v, m in zip(x, op.multipliers, strict=True))
    exact = (x[0] * scale_a - x[1] * scale_b) / y.scale
    assert abs(((total + op.offset) >> op.shift) - exact) <= 1.5 + 1e-6


def test_a_sum_at_its_operands_scale_is_exact() -> None:
    a, b = QTensor("a", (1,), 16, 0.37), QTensor("b", (1,), 16, 0.011)
    op = affine_op((a, b), (1.0, 1.0), 0.0, QTensor("y", (1,), 16, 0.37))
    program = IntegerProgram("a", None, "y", (), {"a": a, "b": b}, {}, (op,))
    form = affine_form(op, program)
    assert form.whole == {"a": 1} and not form.wide
