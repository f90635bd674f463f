"""8-bit copies with error feedback: what is left is kept, exactly, and what saturates is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.graphs import linear_map
from tests.passes.small_models import mixed_plan
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import DenseOp, IntegerProgram, QTensor
from tqs_edge.integer.scales import dense_input
from tqs_edge.plan.feedback import everywhere
from tqs_edge.verify.reference import run_step

STEPS = 4096
REACH = 1.0  # of x, as observed; 1.25 times as much is held


def program(*, feedback: bool) -> IntegerProgram:
    """x' = A x of two features, whose 8-bit copy of x is what the dense layer reads."""
    model = linear_map(np.array([[0.9, -0.2], [0.2, 0.9]]))
    plan = mixed_plan(model.graph, 8, 16, (8,))
    plan = everywhere(model.graph, plan) if feedback else plan
    return build_program(model.graph, plan, {"x": REACH, "y": REACH})


def copies(of: IntegerProgram, rows: np.ndarray) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
    """What the dense layer reads, in LSBs of x (steps, 2), and all tensors, as x is `rows`."""
    (dense,) = (op for op in of.ops if isinstance(op, DenseOp))
    ratio = of.tensors[dense.input].scale / of.tensors[of.input].scale
    state = {s.name: np.zeros((1, *of.tensors[s.name].shape), np.int64) for s in of.states}
    steps = []
    for row in rows:
        values = run_step(of, {of.input: row[None, None], **state}, dict.fromkeys(of.tensors, 0))
        state = {s.name: values[s.update] for s in of.states}
        steps.append(values)
    return np.array([values[dense.input][0, 0] for values in steps]) * ratio, steps


def test_copies_of_a_constant_average_to_it_within_what_is_left() -> None:
    row = np.array([1234, -20077])
    rows = np.repeat(row[None], STEPS, axis=0)
    fed, _ = copies(program(feedback=True), rows)
    plain, _ = copies(program(feedback=False), rows)
    assert (np.abs(fed.mean(axis=0) - row) <= 128 / STEPS).all()
    assert (np.abs(plain.mean(axis=0) - row) > 20).all()


def test_nothing_is_lost_between_steps() -> None:
    of = program(feedback=True)
    rows = np.random.default_rng(0).integers(-26000, 26000, (STEPS, 2))
    _, steps = copies(of, rows)
    (rest,) = of.states
    before = np.zeros((1, 1, 2), np.int64)
    for row, values in zip(rows, steps, strict=True):
        assert (row + before == 256 * values["x_a8"] + values[rest.update]).all()
        before = values[rest.update]


def test_what_saturates_does_not_wind_up() -> None:
    of = program(feedback=True)
    rows = np.repeat(np.array([[32767, -32768], [0, 0]]), 300, axis=0)
    _, steps = copies(of, rows)
    assert [values["x_a8"][0, 0].tolist() for values in steps[1:300]] == [[127, -128]] * 299
    assert [values["x_a8"][0, 0].tolist() for values in steps[302:]] == [[0, 0]] * 298


@pytest.mark.parametrize("feedback", [False, True])
def test_a_copy_of_the_same_range_drops_eight_bits(feedback: bool) -> None:
    of = program(feedback=feedback)
    assert of.tensors["x_a8"].scale == 256 * of.tensors["x"].scale
    assert len(of.states) == feedback


def test_a_copy_of_a_saturated_table_is_not_clipped() -> None:
    table = QTensor("tanh", (1, 4), 16, 2.0**-15)
    assert 127 * dense_input(table, 8, 0.999).scale >= 0.999
    assert dense_input(table, 8, 0.9).scale == 2.0**-7


def test_activations_of_16_bits_are_left_alone() -> None:
    model = linear_map(np.array([[0.9, -0.2], [0.2, 0.9]]))
    plan = replace(mixed_plan(model.graph, 16, 16, (8,)), feedback=("x",))
    assert build_program(model.graph, plan, {"x": REACH, "y": REACH}).states == ()
