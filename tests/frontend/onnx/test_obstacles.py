"""Whatever of an ONNX file cannot be imported is told at once, each in one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.onnx_models import layouts, model, node, random, save
from tqs_edge.errors import ImportMismatch, InputError, ToolMissing, UnsupportedOp
from tqs_edge.frontend import check, load_model
from tqs_edge.frontend.onnx import graph as onnx_graph
from tqs_edge.frontend.onnx.node import Operator

pytestmark = pytest.mark.onnx


def one(nodes: list[Any], **weights: np.ndarray) -> Any:
    """A map from x (1, 2) to y (1, 2)."""
    return model(nodes, {"x": [1, 2]}, {"y": [1, 2]}, weights)


def test_every_unsupported_operation_is_listed_with_its_node(tmp_path: Path) -> None:
    nodes = [
        node("Hardmax", "x", "a", name="running"),
        node("MatMul", "a W", "b"),
        node("Hardmax", "b", "c", name="/net/Hardmax"),
        node("RandomNormalLike", "c", "d"),
        node("Add", "c d", "y"),
    ]
    path = save(one(nodes, W=random(2, 2)), tmp_path / "m.onnx")
    lines = check(path)
    assert len(lines) == 3
    for line, layer, op in zip(
        lines,
        ["running", "/net/Hardmax", "d"],
        ["Hardmax", "Hardmax", "RandomNormalLike"],
        strict=True,
    ):
        assert line.startswith(f"layer '{layer}': operation '{op}' is not supported; ")
    assert "no random numbers" in lines[2]
    with pytest.raises(UnsupportedOp, match=r"'running'.*\(2 more"):
        load_model(path)


def test_operations_behind_an_obstacle_are_examined_as_well(tmp_path: Path) -> None:
    nodes = [
        node("Hardmax", "x", "a"),
        node("Cast", "a", "bounds", to=7),
        node("Reshape", "bounds flat", "bounds_1"),
        node("Slice", "a bounds_1 bounds_1", "b"),
        node("Softmax", "b", "y"),
    ]
    weights = {"flat": np.array([-1])}
    lines = check(save(one(nodes, **weights), tmp_path / "m.onnx"))
    assert "'Hardmax'" in lines[0] and "Slice with computed 'bounds_1'" in lines[1]
    assert "constant arguments" in lines[1]


def test_operations_of_another_domain(tmp_path: Path) -> None:
    from onnx import helper

    nodes = [
        helper.make_node("FusedMatMul", ["x", "W"], ["a"], domain="com.microsoft"),
        node("Tanh", "a", "y"),
    ]
    made = one(nodes, W=random(2, 2))
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    (line,) = check(save(made, tmp_path / "m.onnx"))
    assert "'com.microsoft.FusedMatMul' is not supported; use MatMul" in line


def test_quantized_files_are_told_to_bring_the_float_model(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s", "y")]
    lines = check(save(one(nodes, s=np.array(0.1, np.float32)), tmp_path / "m.onnx"))
    assert len(lines) == 2 and all("give the float model" in line for line in lines)


def test_old_opsets(tmp_path: Path) -> None:
    made = layouts()
    made.opset_import[0].version = 8
    (line,) = check(save(made, tmp_path / "m.onnx"))
    assert "'m.onnx' has opset 8; export it with opset 13 or later" in line


def test_dynamic_extents(tmp_path: Path) -> None:
    made = model(
        [node("MatMul", "window W", "y")],
        {"window": [1, "time", 2]},
        {"y": [1, "time", 2]},
        {"W": random(2, 2)},
    )
    (line,) = check(save(made, tmp_path / "m.onnx"))
    assert "dynamic extent 'time' at axis 1; export with fixed shapes" in line


def test_missing_external_data(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "m.onnx"
    onnx.save(layouts(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert check(path) == []
    (tmp_path / "m.data").unlink()
    (line,) = check(path)
    assert "'m.data', which is missing" in line and "\n" not in line


def test_a_graph_that_reads_what_nothing_makes(tmp_path: Path) -> None:
    path = save(one([node("Tanh", "nothing", "y")]), tmp_path / "m.onnx")
    (line,) = check(path)
    assert "reads 'nothing', which nothing makes" in line


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    path = save(one([node("MatMul", "x W", "y")], W=random(3, 2)), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"node 'y' \(MatMul\) does not fit its inputs"):
        load_model(path)


@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand", "Tile"])
def test_shapes_that_would_fill_the_memory(op: str, tmp_path: Path) -> None:
    huge = np.array([1 << 30, 2])
    inputs = "huge" if op == "ConstantOfShape" else "x huge"
    nodes = [node(op, inputs, "a"), node("ReduceSum", "a", "s"), node("Add", "x s", "y")]
    (line,) = check(save(one(nodes, huge=huge), tmp_path / "m.onnx"))
    assert "elements, want at most" in line


def test_an_import_that_computes_something_else_names_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Operator(lambda _node, operands: operands[0] * 1.01)
    monkeypatch.setitem(onnx_graph.OPERATORS, "Sigmoid", wrong)
    nodes = [
        node("Tanh", "x", "a"),
        node("Sigmoid", "a", "b", name="gate"),
        node("Neg", "b", "y"),
    ]
    with pytest.raises(ImportMismatch, match=r"node 'gate' \(Sigmoid\) differs .* in 'b'"):
        load_model(save(one(nodes), tmp_path / "m.onnx"))


def test_the_package_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    for act in (check, load_model):
        with pytest.raises(ToolMissing, match=r"pip install 'tqs-edge\[onnx\]'"):
            act(tmp_path / "m.onnx")


def test_a_state_before_the_input_shares_its_batch(tmp_path: Path) -> None:
    nodes = [
        node("Squeeze", "h zero", "flat"),
        node("MatMul", "x W", "a"),
        node("Add", "a flat", "y"),
        node("Unsqueeze", "y zero", "h_next"),
    ]
    made = model(
        nodes,
        {"h": [1, "n", 2], "x": ["n", 2]},
        {"h_next": [1, "n", 2], "y": ["n", 2]},
        {"W": random(2, 2), "zero": np.array([0])},
    )
    assert check(save(made, tmp_path / "m.onnx")) == []
