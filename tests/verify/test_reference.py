"""The integer oracle: resuming, saturation counts, rollout forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.program import AffineOp, IntegerProgram, QState, QTensor, SliceOp
from tqs_edge.verify.reference import quantize_frames, run_reference


def gain(output: str, inputs: tuple[str, ...], *halves: int) -> AffineOp:
    """output = sum of inputs times halves / 2."""
    return AffineOp(output, inputs, tuple(h << 30 for h in halves), 1, 1 << 31, 32, -(1 << 15))


def model(form: RolloutForm, length: int, block: int) -> RolloutModel:
    graph = Graph("x", None, (), "y", (), {}, {})
    return RolloutModel("t", "t", graph, form, length, 1, block, 0, 1)


def tensors(**widths: int) -> dict[str, QTensor]:
    return {name: QTensor(name, (1, width), 16, 1.0) for name, width in widths.items()}


def test_recurrent_rollout_in_closed_form() -> None:
    # h' = h + x, y = h' : running sums; fed back, the sum doubles every step.
    program = IntegerProgram(
        "x",
        None,
        "y",
        (QState("h", "y"),),
        tensors(x=1, h=1, y=1),
        {},
        (gain("y", ("x", "h"), 2, 2),),
    )
    contexts = np.array([[[1], [2]], [[0], [-1]]], np.int16)
    run = run_reference(program, model(RolloutForm.RECURRENT, 1, 1), contexts, 5)
    assert run.frames[:, :, 0].tolist() == [[3, 6, 12, 24, 48], [-1, -2, -4, -8, -16]]
    assert not run.saturations


def test_saturation_is_counted_by_tensor() -> None:
    program = IntegerProgram("x", None, "y", (), tensors(x=1, y=1), {}, (gain("y", ("x",), 3),))
    run = run_reference(program, model(RolloutForm.MAP, 1, 1), np.array([[[16000]]], np.int16), 4)
    assert run.frames[0, :, 0].tolist() == [24000, 32767, 32767, 32767]
    assert run.saturations == {"y": 3}


def test_what_a_rectifier_drops_is_not_counted_as_lost() -> None:
    rectifier = replace(gain("y", ("x",), 6), lowest=0)
    program = IntegerProgram("x", None, "y", (), tensors(x=1, y=1), {}, (rectifier,))
    contexts = np.array([[[-16000]], [[16000]]], np.int16)
    run = run_reference(program, model(RolloutForm.MAP, 1, 1), contexts, 1)
    assert run.frames[:, 0, 0].tolist() == [0, 32767]
    assert run.saturations == {"y": 1}


def test_windowed_rollout_appends_blocks() -> None:
    # The block is the first two of three rows, so the window rotates.
    program = IntegerProgram(
        "x",
        None,
        "y",
        (),
        {"x": QTensor("x", (1, 3, 1), 16, 1.0), "y": QTensor("y", (1, 2, 1), 16, 1.0)},
        {},
        (SliceOp("y", "x", -2, 0, 2),),
    )
    contexts = np.array([[[9], [1], [2], [3]]], np.int16)  # the last three rows are the window
    run = run_reference(program, model(RolloutForm.WINDOWED, 3, 2), contexts, 5)
    assert run.frames[0, :, 0].tolist() == [1, 2, 3, 1, 2]


def test_quantized_frames_round_half_up() -> None:
    tensor = QTensor("x", (1, 1), 16, 0.5)
    values = np.array([0.25, -0.25, 0.74, 1e6, -1e6])
    assert quantize_frames(values, tensor).tolist() == [1, 0, 1, 32767, -32768]
