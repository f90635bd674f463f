"""RNN, GRU and LSTM operations, unrolled, compute what ONNX Runtime computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.onnx_models import model, node, random
from tests.frontend.onnx.steps import assert_same, opened
from tqs_edge.errors import UnsupportedOp
from tqs_edge.frontend import check

pytestmark = pytest.mark.onnx

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
INPUT, HIDDEN = 2, 3


def recurrent(
    op: str,
    length: int,
    *,
    bias: bool = True,
    states: bool = True,
    names: tuple[str, str, str] = ("W", "R", "B"),
    **attributes: Any,
) -> Any:
    """A graph of one operation whose inputs and outputs are those of the model."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[op] * HIDDEN
    weights = {
        names[0]: random(directions, rows, INPUT, scale=0.8),
        names[1]: random(directions, rows, HIDDEN, scale=0.8),
    }
    weights |= {names[2]: random(directions, 2 * rows)} if bias else {}
    cell = op == "LSTM"
    inputs: dict[str, Any] = {"x": [length, 1, INPUT]}
    state = [directions, 1, HIDDEN]
    if states:
        inputs |= {"h": state, **({"c": state} if cell else {})}
    operands = f"x {names[0]} {names[1]} {names[2] if bias else '-'} -" + (
        (" h c" if cell else " h") if states else ""
    )
    outputs = {"y": [length, directions, 1, HIDDEN], "h_next": state}
    outputs |= {"c_next": state} if cell else {}
    made = node(op, operands, " ".join(outputs), hidden_size=HIDDEN, **attributes)
    return model([made], inputs, outputs, weights)


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", GATES)
def test_operation(op: str, direction: str, length: int, tmp_path: Path) -> None:
    assert_same(opened(recurrent(op, length, direction=direction), tmp_path))


@pytest.mark.parametrize("op", GATES)
def test_without_bias_and_without_states(op: str, tmp_path: Path) -> None:
    run = opened(recurrent(op, 3, bias=False, states=False), tmp_path)
    assert_same(run)
    assert run.imported.module is not None
    assert not any("B" in name for name, _ in run.imported.module.named_parameters())


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_gru_that_resets_after_its_product_as_torch_does(direction: str, tmp_path: Path) -> None:
    made = recurrent("GRU", 4, direction=direction, linear_before_reset=1)
    assert_same(opened(made, tmp_path))


def test_longest_sequence(tmp_path: Path) -> None:
    assert_same(opened(recurrent("LSTM", 64), tmp_path))


@pytest.mark.parametrize(
    ("op", "activations"),
    [
        ("RNN", ["Relu"]),
        ("GRU", ["HardSigmoid", "Softsign"]),
        ("LSTM", ["Sigmoid", "Relu", "Softsign"]),
    ],
)
def test_other_activations(op: str, activations: list[str], tmp_path: Path) -> None:
    assert_same(opened(recurrent(op, 3, activations=activations), tmp_path))


def test_weights_numbered_by_an_exporter_are_called_as_in_torch(tmp_path: Path) -> None:
    made = recurrent("LSTM", 2, names=("onnx::LSTM_7", "onnx::LSTM_8", "onnx::LSTM_9"))
    made.graph.node[0].name = "/encoder/lstm/LSTM"
    run = opened(made, tmp_path)
    assert_same(run)
    assert run.imported.module is not None
    assert [name for name, _ in run.imported.module.named_parameters()] == [
        "encoder.lstm.weight_ih_l0",
        "encoder.lstm.weight_hh_l0",
        "encoder.lstm.bias_ih_l0",
        "encoder.lstm.bias_hh_l0",
    ]


def test_named_weights_keep_their_names(tmp_path: Path) -> None:
    run = opened(recurrent("GRU", 2, direction="bidirectional", linear_before_reset=1), tmp_path)
    assert run.imported.module is not None
    names = sorted(name for name, _ in run.imported.module.named_parameters())
    assert len(names) == 8 and {"B.ih", "B.hh"} < set(names)


@pytest.mark.parametrize(
    ("attributes", "length", "reason"),
    [
        ({}, 65, "over 65 steps"),
        ({"clip": 1.0}, 2, "clip"),
        ({"input_forget": 1}, 2, "input_forget"),
        ({"layout": 1}, 2, "layout=1"),
        ({"activations": ["Sigmoid", "Affine", "Tanh"]}, 2, "activation Affine"),
    ],
)
def test_what_is_not_unrolled(attributes, length: int, reason: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, UnsupportedOp)):
        opened(recurrent("LSTM", length, **attributes), tmp_path)
    assert any(reason in line for line in check(tmp_path / "m.onnx"))


def test_sequence_lengths_must_be_full(tmp_path: Path) -> None:
    made = recurrent("RNN", 3)
    made.graph.node[0].input[4] = "lengths"
    from onnx import numpy_helper

    made.graph.initializer.append(numpy_helper.from_array(np.array([3], np.int32), "lengths"))
    assert_same(opened(made, tmp_path))
    made.graph.initializer[-1].CopyFrom(numpy_helper.from_array(np.array([2], np.int32), "lengths"))
    from tests.backends.onnx_models import save

    assert any("sequence_lens" in line for line in check(save(made, tmp_path / "m.onnx")))
