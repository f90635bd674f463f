"""ONNX operations along an axis compute what ONNX Runtime computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.backends.onnx_models import model, node, random, save
from tests.frontend.onnx.steps import assert_same, opened
from tests.frontend.onnx.test_ops import SHAPE, Case, check_case, f32, i64
from tqs_edge.frontend import check

pytestmark = pytest.mark.onnx

CASES: dict[str, Case] = {
    "GatherND": ("GatherND", "x i", {}, {"i": np.array([[[0, 1], [0, -1]]])}),
    "GatherElements": ("GatherElements", "x i", {"axis": 1}, {"i": np.full((1, 2, 6), -1)}),
    "CumSum": ("CumSum", "x s", {}, {"s": np.array(1)}),
    "ConvTranspose": (
        "ConvTranspose",
        "x w b",
        {"strides": [2], "pads": [1, 1], "output_padding": [1]},
        {"w": random(4, 3, 4), "b": random(3)},
    ),
    "Resize nearest": (
        "Resize",
        "x - - s",
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        {"s": i64(1, 4, 9)},
    ),
    "Resize linear": (
        "Resize",
        "x - k",
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        {"k": f32(1, 1, 2)},
    ),
    "MeanVarianceNormalization": ("MeanVarianceNormalization", "x", {"axes": [2]}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_operation_along_an_axis(name: str, tmp_path: Path) -> None:
    check_case(CASES[name], tmp_path)


@pytest.mark.parametrize("opset", [17, 20])
def test_fourier_transform_and_its_inverse(opset: int, tmp_path: Path) -> None:
    where = {"axis": 1} if opset < 20 else {}
    inputs = "column" if opset < 20 else "column - axis"
    nodes = [
        node("Unsqueeze", "x last", "column"),
        node("DFT", inputs, "half", onesided=1, **where),
        node("DFT", inputs, "whole", **where),
        node("DFT", inputs.replace("column", "whole"), "back", inverse=1, **where),
        node("Concat", "half back", "y", axis=1),
    ]
    known = {"last": i64(-1)} | ({} if opset < 20 else {"axis": np.array(1)})
    made = model(nodes, {"x": SHAPE}, {"y": [1, 7, 6, 2]}, known)
    made.opset_import[0].version = opset
    assert_same(opened(made, tmp_path))


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (node("Resize", "x - k", "y", mode="cubic"), "Resize 'cubic'"),
        (node("CumSum", "x one", "y", reverse=1), "CumSum exclusive or in reverse"),
        (node("ConvTranspose", "x w", "y", auto_pad="SAME_UPPER"), "ConvTranspose with computed"),
    ],
)
def test_other_ways_are_refused(bad, told: str, tmp_path: Path) -> None:
    known = {"k": f32(1, 1, 2), "one": np.array(1), "w": random(4, 3, 4)}
    used = {key: value for key, value in known.items() if key in bad.input}
    made = model([bad], {"x": SHAPE}, {"y": SHAPE}, used)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    assert told in check(save(made, tmp_path / "m.onnx"))[0]


def test_a_linear_regressor_behind_a_scaler(tmp_path: Path) -> None:
    from onnx import helper

    scaler = node("Scaler", "x", "scaled", offset=[0.5, -1.0], scale=[2.0, 0.25])
    regressor = node(
        "LinearRegressor",
        "scaled",
        "y",
        coefficients=[0.5, -0.25, 1.5, 0.75],
        intercepts=[0.1, -0.2],
        targets=2,
    )
    for one in (scaler, regressor):
        one.domain = "ai.onnx.ml"
    made = model([scaler, regressor], {"x": [1, 2]}, {"y": [1, 2]}, {})
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    assert_same(opened(made, tmp_path))


def test_polynomial_features_are_products_of_columns(tmp_path: Path) -> None:
    from onnx import helper

    picked = [node("ArrayFeatureExtractor", f"x places{i}", f"part{i}") for i in range(2)]
    for one in picked:
        one.domain = "ai.onnx.ml"
    product = node("Mul", "part0 part1", "y")
    known = {"places0": np.array([0, 0, 1]), "places1": np.array([0, 2, 1])}
    made = model([*picked, product], {"x": [1, 3]}, {"y": [1, 3]}, known)
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    assert_same(opened(made, tmp_path))
