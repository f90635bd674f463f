"""Inputs and outputs of an ONNX graph in the order of a step, told by their names."""

from __future__ import annotations

import pytest

from tqs_edge.frontend.onnx.order import step_inputs, step_outputs
from tqs_edge.frontend.onnx.paths import clean_path, is_anonymous


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["x", "h"], ["x", "h"]),
        (["h", "c", "x"], ["x", "h", "c"]),
        (["h", "exog", "x"], ["x", "exog", "h"]),
        (["input", "h0", "exog"], ["input", "exog", "h0"]),
        (["window"], ["window"]),
    ],
)
def test_inputs(names: list[str], ordered: list[str]) -> None:
    assert step_inputs(names) == ordered


@pytest.mark.parametrize(
    ("states", "outputs", "ordered"),
    [
        (["h"], ["h_next", "y"], ["y", "h_next"]),
        (["h", "c"], ["c_out", "y", "h_out"], ["y", "h_out", "c_out"]),
        (["h_in", "c_in"], ["next_c", "next_h", "out"], ["out", "next_h", "next_c"]),
        (["h0", "c0"], ["cn", "hn", "output"], ["output", "hn", "cn"]),
        (["h_0", "c_0"], ["c_n", "h_n", "y"], ["y", "h_n", "c_n"]),
        (["h_1", "h_2"], ["h_2_new", "h_1_new", "y"], ["y", "h_1_new", "h_2_new"]),
        (["prev_state"], ["new_state", "y"], ["y", "new_state"]),
        (["h", "c"], ["y", "a", "b"], ["y", "a", "b"]),
        (["h", "c"], ["y", "c_next", "b"], ["y", "c_next", "b"]),
        (["h"], ["h_next", "h_out"], ["h_next", "h_out"]),
        ([], ["y"], ["y"]),
    ],
)
def test_outputs(states: list[str], outputs: list[str], ordered: list[str]) -> None:
    assert step_outputs(["x", *states], outputs) == ordered
    assert step_outputs(["x", "exog", *states], outputs) == ordered


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cell.weight_ih", "cell.weight_ih"),
        ("/encoder/0/weight", "encoder.0.weight"),
        ("model/dense/MatMul:0", "model.dense.MatMul_0"),
        ("onnx::MatMul_7", "onnx.MatMul_7"),
        ("..//::", "constant"),
        ("gewichtä", "gewicht_"),
    ],
)
def test_paths_are_words_joined_by_dots(name: str, path: str) -> None:
    assert clean_path(name) == path


def test_names_that_exporters_number() -> None:
    numbered = ["onnx::MatMul_7", "val_12", "17", "/cell/Constant_output_0", "_v_3"]
    assert all(map(is_anonymous, numbered))
    assert not any(map(is_anonymous, ["W", "value", "cell.weight", "constant_gain", "h_0"]))
