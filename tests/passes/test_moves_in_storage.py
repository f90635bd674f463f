"""What moves elements never writes over what it still has to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CPackage
from tests.passes.small_models import make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.passes.assign_storage import assign_storage
from tqs_edge.passes.lower import lower
from tqs_edge.passes.step_calls import step_calls
from tqs_edge.verify.reference import run_reference

STATE = (1, 3, 3)


def memory(*nodes: Node) -> RolloutModel:
    """A state of three rows, "next" made of "h" by `nodes`, whose middle row is added to x."""
    span = {"axis": -2, "begin": 1, "end": 2}
    all_nodes = (
        *nodes,
        Node("row", Op.SLICE, ("next",), (1, 1, 3), span),
        Node("y", Op.ADD, ("x", "row"), (1, 1, 3)),
    )
    shapes = {"x": (1, 1, 3), "h": STATE, **{n.name: n.shape for n in all_nodes}}
    states = (StateVariable("h", "next", STATE),)
    graph = Graph("x", None, states, "y", all_nodes, {}, shapes)
    return RolloutModel("memory", "test", graph, RolloutForm.RECURRENT, 1, 3, 1, 0, 1)


SPAN = {"axis": -2, "begin": 0, "end": 2}
SHIFTED = (
    Node("kept", Op.SLICE, ("h",), (1, 2, 3), SPAN),
    Node("rows", Op.CONCAT, ("x", "kept"), STATE, {"axis": -2}),
)
CASES = {
    "transposed": (
        *SHIFTED,
        Node("turned", Op.TRANSPOSE, ("h",), STATE, {"axes": (-3, -1, -2)}),
        Node("sum", Op.ADD, ("rows", "turned"), STATE),
        Node("next", Op.AFFINE, ("sum",), STATE, {"scale": 0.4, "offset": 0.0}),
    ),
    "turned at once": (
        Node("small", Op.AFFINE, ("x",), (1, 1, 3), {"scale": 0.4, "offset": 0.1}),
        Node("raised", Op.MAXIMUM, ("h", "small"), STATE),
        Node("bent", Op.CLAMP, ("raised",), STATE, {"low": -0.7, "high": 0.7}),
        Node("next", Op.TRANSPOSE, ("bent",), STATE, {"axes": (-3, -1, -2)}),
    ),
    "state turned as it is": (Node("next", Op.TRANSPOSE, ("h",), STATE, {"axes": (-3, -1, -2)}),),
    "unfolded": (
        *SHIFTED,
        Node("wide", Op.UNFOLD, ("rows",), (1, 1, 9), {"kernel": 3, "dilation": 1, "stride": 1}),
        Node("turned", Op.RESHAPE, ("wide",), STATE),
        Node("level", Op.MEAN, ("h",), (1, 3, 1), {"axis": -1}),
        Node("next", Op.SUB, ("turned", "level"), STATE),
    ),
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("nodes", CASES.values(), ids=CASES)
def test_states_that_move_are_the_same_by_every_executor(
    nodes: tuple[Node, ...], bits: int, tmp_path: Path
) -> None:
    case = make_case(memory(*nodes), state_bits=bits)
    want = run_reference(case.program, case.model, case.contexts, 17).frames
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    package = CPackage(bundle, case.model, tmp_path)
    for context, frames in zip(case.contexts, want, strict=True):
        np.testing.assert_array_equal(package.rollout(context, 17), frames)


def test_a_transposed_state_is_made_apart() -> None:
    case = make_case(memory(*CASES["state turned as it is"]))
    storage = assign_storage(step_calls(lower(case.module, case.program), case.program))
    assert "next" not in storage.in_state
