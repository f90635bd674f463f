"""A moving sum has the integers of the operations that it stands for, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.test_moving_sums import between_ends, read, reduced, windows
from tests.graph.windowed_graphs import Step
from tests.passes.small_models import mixed_plan
from tqs_edge.graph.evaluate import step as evaluate
from tqs_edge.graph.graph import Graph, Op
from tqs_edge.graph.moving_sums import find_moving_sums
from tqs_edge.integer.build import build_program
from tqs_edge.integer.constants import affine_op
from tqs_edge.integer.program import AffineOp, IntegerProgram
from tqs_edge.integer.reduction_ops import MovingSumOp
from tqs_edge.passes.fixed_point_tir import affine_form
from tqs_edge.verify.reference import run_step


def floats(graph: Graph) -> dict[str, float]:
    """The largest magnitude of every tensor."""
    x = torch.randn(8, *graph.shapes["x"], generator=torch.Generator().manual_seed(0)).double()
    constants = {k: torch.from_numpy(v).double() for k, v in graph.constants.items()}
    tensors = evaluate(graph, {"x": x}, weight=constants.__getitem__)
    return {name: float(value.abs().max()) for name, value in tensors.items()}


def integers(program: IntegerProgram) -> np.ndarray:
    """Outputs of the program for inputs of every size, also such that saturate."""
    x = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (6, *program.tensors["x"].shape))
    x = np.concatenate([x, x >> 6, np.full_like(x[:1], (1 << 15) - 1)])
    return run_step(program, {"x": x}, dict.fromkeys(program.tensors, 0))[program.output]


@given(
    before=st.integers(0, 5),
    after=st.integers(0, 5),
    length=st.integers(2, 9),
    kernel=st.integers(2, 8),
    op=st.sampled_from([Op.MEAN, Op.SUM]),
    act_bits=st.sampled_from([8, 16]),
)
def test_integers_are_those_of_unfolded_windows(
    before: int, after: int, length: int, kernel: int, op: Op, act_bits: int
) -> None:
    step = Step(length, 2)
    series = between_ends(step, "x", before, after) if before + after else "x"
    graph = read(step, reduced(step, windows(step, series, min(kernel, length)), op))
    again = find_moving_sums(graph)
    ranges = floats(graph)
    known = {name: ranges[name.removesuffix("_sums")] for name in again.shapes}
    plain, moving = (
        build_program(one, mixed_plan(one, act_bits, 16, (16, 8)), own)
        for one, own in ((graph, ranges), (again, known))
    )
    assert any(isinstance(made, MovingSumOp) for made in moving.ops)
    np.testing.assert_array_equal(integers(moving), integers(plain))


@pytest.mark.parametrize("kernel", [3, 7, 25])
def test_subtracting_an_average_needs_no_64_bits(kernel: int) -> None:
    step = Step(30, 2)
    trend = step.average("x", kernel, before=kernel // 2, after=kernel // 2)
    season = step.same(Op.SUB, "x", trend)
    graph = read(step, season)
    program = build_program(graph, mixed_plan(graph, 16, 16, (8,)), floats(graph))
    (op,) = (o for o in program.ops if isinstance(o, AffineOp) and o.output == season)
    assert not affine_form(op, program).wide
    x, y = program.tensors["x"], program.tensors[season]
    assert np.log2(program.tensors[trend].scale / x.scale) % 1 == 0
    assert np.log2(y.scale / x.scale) % 1 == 0
    assert op == affine_op((x, program.tensors[trend]), (1.0, -1.0), 0.0, y)


def test_an_average_holds_all_that_it_may_be() -> None:
    step = Step(6, 1)
    flat = step.op(Op.RESHAPE, (step.average("x", 3),), (1, 1, 4))
    graph = step.model(step.dense(flat, 1)).graph
    program = build_program(
        graph, mixed_plan(graph, 16, 16, (8,)), {**floats(graph), graph.nodes[0].name: 1e-6}
    )
    x, y = program.tensors["x"], program.tensors[graph.nodes[0].name]
    assert y.scale >= x.scale / 4  # levels drift, though they were seen near zero
