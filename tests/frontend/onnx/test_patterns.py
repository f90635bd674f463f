"""GELU and LayerNorm written out by exporters are recognised, and nothing else is."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.onnx_models import model, node, random
from tests.frontend.onnx.exports import export
from tests.frontend.onnx.steps import Opened, assert_same, opened
from tqs_edge.frontend.onnx.file import read_onnx_model
from tqs_edge.frontend.onnx.graph import import_graph

pytestmark = pytest.mark.onnx

SHAPE = [1, 4, 6]


def f32(value: float) -> np.ndarray:
    return np.array(value, np.float32)


NUMBERS = {"root": f32(sqrt(2)), "half_root": f32(sqrt(0.5)), "one": f32(1), "half": f32(0.5)}
TWO = {"two": f32(2), "eps": f32(1e-3), "w": random(6), "b": random(6, seed=1)}
ERF = [node("Div", "x root", "d"), node("Erf", "d", "e"), node("Add", "e one", "a")]
GELUS = {
    "x first": [*ERF, node("Mul", "x a", "m"), node("Mul", "m half", "y")],
    "half first": [*ERF, node("Mul", "half a", "m"), node("Mul", "x m", "y")],
    "x halved": [*ERF, node("Mul", "x half", "m"), node("Mul", "m a", "y")],
    "half x": [*ERF, node("Mul", "half x", "m"), node("Mul", "a m", "y")],
    "by a product": [
        node("Mul", "x half_root", "d"),
        node("Erf", "d", "e"),
        node("Add", "one e", "a"),
        node("Mul", "x a", "m"),
        node("Mul", "half m", "y"),
    ],
}


def run(nodes: list[Any], numbers: dict[str, np.ndarray], folder: Path) -> tuple[Opened, list[str]]:
    """The model after import, and the operations that are left."""
    used = {name for one in nodes for name in one.input}
    known = {name: value for name, value in numbers.items() if name in used}
    done = opened(model(nodes, {"x": SHAPE}, {"y": SHAPE}, known), folder)
    assert_same(done)
    assert done.imported.module is not None
    return done, [call.node.op for call, _ in done.imported.module.steps]


@pytest.mark.parametrize("name", GELUS)
def test_gelu(name: str, tmp_path: Path) -> None:
    assert run(GELUS[name], NUMBERS, tmp_path)[1] == ["Gelu"]


@pytest.mark.parametrize(
    "changed", [{"root": f32(1.5)}, {"one": f32(2.0)}, {"half": f32(0.25)}], ids=str
)
def test_other_numbers_are_no_gelu(changed: dict[str, np.ndarray], tmp_path: Path) -> None:
    assert "Erf" in run(GELUS["x first"], NUMBERS | changed, tmp_path)[1]


def test_a_part_of_a_gelu_that_is_read_elsewhere_stays(tmp_path: Path) -> None:
    nodes = [*ERF, node("Mul", "x a", "m"), node("Mul", "m half", "g"), node("Add", "g m", "y")]
    assert "Erf" in run(nodes, NUMBERS, tmp_path)[1]


def norm(square: str, *, mean: str = "x", axes: int = -1) -> list[Any]:
    return [
        node("ReduceMean", mean, "mean", axes=[axes]),
        node("Sub", "x mean", "c"),
        node(*(("Pow", "c two", "s") if square == "Pow" else ("Mul", "c c", "s"))),
        node("ReduceMean", "s", "v", axes=[axes]),
        node("Add", "v eps", "ve"),
        node("Sqrt", "ve", "r"),
        node("Div", "c r", "q"),
    ]


@pytest.mark.parametrize("square", ["Pow", "Mul"])
def test_layer_norm_with_weight_and_bias(square: str, tmp_path: Path) -> None:
    nodes = [*norm(square), node("Mul", "q w", "qw"), node("Add", "qw b", "y")]
    done, ops = run(nodes, TWO, tmp_path)
    assert ops == ["LayerNormalization"]
    assert done.imported.module is not None
    assert [name for name, _ in done.imported.module.named_parameters()] == ["w", "b"]


def test_layer_norm_without_weights(tmp_path: Path) -> None:
    assert run([*norm("Mul"), node("Tanh", "q", "y")], TWO, tmp_path)[1] == [
        "LayerNormalization",
        "Tanh",
    ]


@pytest.mark.parametrize("axes", [1, 2])
def test_other_axes_are_no_layer_norm(axes: int, tmp_path: Path) -> None:
    nodes = [*norm("Mul", axes=axes), node("Identity", "q", "y")]
    assert "LayerNormalization" not in run(nodes, TWO, tmp_path)[1]


def test_another_mean_is_no_layer_norm(tmp_path: Path) -> None:
    nodes = [node("Tanh", "x", "t"), *norm("Mul", mean="t"), node("Identity", "q", "y")]
    assert "LayerNormalization" not in run(nodes, TWO, tmp_path)[1]


def test_an_export_of_torch_has_both(tmp_path: Path) -> None:
    path = export("norm and GELU", "legacy", tmp_path)
    module = import_graph(read_onnx_model(path)).module
    assert module is not None
    ops = [call.node.op for call, _ in module.steps]
    assert ops == ["Gemm", "LayerNormalization", "Gelu", "Gemm", "Add"]


def test_nodes_that_no_output_needs_are_dropped(tmp_path: Path) -> None:
    nodes = [node("Tanh", "x", "y"), node("CumSum", "x zero", "unused")]
    assert run(nodes, {"zero": np.array(0)}, tmp_path)[1] == ["Tanh"]
