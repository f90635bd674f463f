"""Loops with several outputs: which are joined, and that they compute what they did apart."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tests.codegen.c_package import CPackage
from tests.codegen.executors import check_executors_agree, emitted, integers, program_of
from tests.passes.small_models import gru, lstm, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.join_loops import emitted_calls, join_loops
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.program import AffineOp, IntegerProgram, LutOp, SliceOp
from tqs_edge.passes.assign_storage import assign_storage
from tqs_edge.passes.lower import lower, lower_program
from tqs_edge.passes.step_calls import Copy, StepCalls, step_calls
from tqs_edge.verify.reference import run_reference

WIDE = (1, 8)


def half(output: str, *inputs: str) -> AffineOp:
    """output = half of the sum of the inputs."""
    return AffineOp(output, inputs, (1,) * len(inputs), 1, 1, 32, -(1 << 15))


def joined(program: IntegerProgram) -> StepCalls:
    return emitted_calls(lower_program(program), program)


def outputs(step: StepCalls) -> list[tuple[str, ...]]:
    return [call.outputs for call in step.calls]


def test_error_feedback_is_one_loop_without_the_total() -> None:
    case = make_case(gru(), act_bits=8, feedback=True)
    apart = step_calls(lower(case.module, case.program), case.program)
    step = join_loops(apart)
    assert ("h_a8", "h_a8_left") in outputs(step)
    assert "h_a8_total" not in {name for call in step.calls for name in call.inputs}
    storage = assign_storage(step)
    assert storage.in_state["h_a8_left"] == "h_a8_rest"
    assert storage.memory.arena_bytes <= assign_storage(apart).memory.arena_bytes


def test_two_states_of_an_lstm_are_updated_in_one_loop() -> None:
    case = make_case(lstm())
    step = emitted_calls(lower(case.module, case.program), case.program)
    assert ("c_next", "h_next") in outputs(step)
    in_state = assign_storage(step).in_state
    assert in_state["c_next"] == "c" and in_state["h_next"] == "h"


def test_a_value_that_two_loops_read_is_handed_on_in_a_register(tmp_path: Path) -> None:
    """ "bent" is sliced, which ends its chain; "sum" reads it whole, and so does its table."""
    program = program_of(
        WIDE,
        16,
        {"bent": WIDE, "part": (1, 4), "sum": WIDE, "again": WIDE, "tail": (1, 4), "last": (1, 4)},
        LutOp("bent", "v", "tanh", 12),
        SliceOp("part", "bent", -1, 2, 6),
        half("sum", "bent", "v"),
        LutOp("again", "sum", "sigmoid", 12),
        SliceOp("tail", "again", -1, 4, 8),
        half("last", "part", "tail"),
    )
    step = joined(program)
    assert ("bent", "again") in outputs(step)
    text = emitted(program).files["model.c"]
    assert re.search(r"int32_t bent_now = .*bent\[i\] = \(int16_t\)bent_now;", text, re.S)
    check_executors_agree(program, integers(WIDE), tmp_path)


def test_loops_that_read_other_elements_stay_apart(tmp_path: Path) -> None:
    """ "turned" reads elements of "bent" that its pass has not made yet."""
    shapes = {"bent": (1, 12), "low": WIDE, "high": WIDE, "sum": WIDE}
    program = program_of(
        (1, 12),
        16,
        shapes,
        LutOp("bent", "v", "tanh", 12),
        SliceOp("low", "bent", -1, 0, 8),
        SliceOp("high", "bent", -1, 4, 12),
        half("sum", "low", "high"),
    )
    assert all(len(names) == 1 for names in outputs(joined(program)))
    check_executors_agree(program, integers((1, 12)), tmp_path)


def memory(*nodes: Node) -> RolloutModel:
    """A state "h" of eight numbers that becomes "next"."""
    shapes = {"x": WIDE, "h": WIDE, **{n.name: n.shape for n in nodes}}
    graph = Graph("x", None, (StateVariable("h", "next", WIDE),), "y", nodes, {}, shapes)
    return RolloutModel("memory", "test", graph, RolloutForm.RECURRENT, 1, 8, 1, 0, 1)


def test_an_old_state_that_is_read_after_the_new_one_is_kept(tmp_path: Path) -> None:
    model = memory(
        Node("sum", Op.ADD, ("x", "h"), WIDE),
        Node("next", Op.TANH, ("sum",), WIDE),
        Node("change", Op.SUB, ("next", "h"), WIDE),
        Node("y", Op.TANH, ("change",), WIDE),
    )
    case = make_case(model)
    step = emitted_calls(lower(case.module, case.program), case.program)
    assert ("next", "y_out") in outputs(step)
    storage = assign_storage(step)
    assert "next" not in storage.in_state
    assert [c.output for c in storage.calls if isinstance(c, Copy)] == ["h@state"]
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    package = CPackage(bundle, case.model, tmp_path)
    want = run_reference(case.program, case.model, case.contexts, 17).frames
    for context, frames in zip(case.contexts, want, strict=True):
        np.testing.assert_array_equal(package.rollout(context, 17, None), frames)
