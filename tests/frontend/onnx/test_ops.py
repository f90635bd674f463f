"""Every ONNX operation computes what ONNX Runtime computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.onnx_models import model, node, random
from tests.frontend.onnx.steps import assert_same, opened
from tqs_edge.frontend.onnx.graph import OPERATORS

pytestmark = pytest.mark.onnx

SHAPE = [1, 4, 6]
i64 = lambda *values: np.array(values, np.int64)  # noqa: E731
f32 = lambda *values: np.array(values, np.float32)  # noqa: E731
W: dict[str, np.ndarray] = {
    "c": random(6),
    "m": random(4, 6),
    "half": f32(0.5),
    "two": np.float32(2.0).reshape(()),
    "pos": np.abs(random(4, 6)) + 1.0,
    "neg": np.float32(-0.5).reshape(()),
    "big": np.float32(0.5).reshape(()),
    "eye": np.eye(6, dtype=np.float32),
}
ALONE = (
    "Neg Abs Exp Sin Cos Erf Floor Ceil Round Sign Tanh Sigmoid Relu Softplus Softsign "
    "HardSwish Elu Selu Celu LeakyRelu ThresholdedRelu HardSigmoid Identity Transpose Flatten "
    "Dropout ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 "
    "ReduceSumSquare Atan Sinh Cosh Asinh LpNormalization ReduceLogSumExp Softmax LogSoftmax "
    "Max Sum GlobalAveragePool GlobalMaxPool"
).split()
Case = tuple[str, str, dict[str, Any], dict[str, np.ndarray]]
CASES: dict[str, Case] = {
    **{op: (op, "x", {}, {}) for op in ALONE},
    "Log": ("Log", "e", {}, {}),
    **{op: (op, "share", {}, {}) for op in ("Asin", "Acos", "Tan")},
    "Add a row": ("Add", "x c", {}, {}),
    "Add itself": ("Add", "x x", {}, {}),
    "Sub from a number": ("Sub", "two x", {}, {}),
    "Mul by a number in a list": ("Mul", "half x", {}, {}),
    "Div by a matrix": ("Div", "x pos", {}, {}),
    "Div a number": ("Div", "two e", {}, {}),
    "Sqrt": ("Sqrt", "e", {}, {}),
    "Reciprocal": ("Reciprocal", "e", {}, {}),
    "Pow two": ("Pow", "x two", {}, {}),
    "Pow half": ("Pow", "e half", {}, {}),
    "Pow of a base": ("Pow", "two x", {}, {}),
    "Max with zero": ("Max", "x zero", {}, {"zero": np.zeros((), np.float32)}),
    "Min with a number": ("Min", "x big", {}, {}),
    "Min of three": ("Min", "x c m", {}, {}),
    "Max with a number": ("Max", "neg x m", {}, {}),
    "Mean of three": ("Mean", "x m c", {}, {}),
    "Sum of three": ("Sum", "x m c", {}, {}),
    "Clip": ("Clip", "x neg big", {}, {}),
    "Clip below": ("Clip", "x neg", {}, {}),
    "Clip above": ("Clip", "x - big", {}, {}),
    "Clip to the largest float": (
        "Clip",
        "x zero most",
        {},
        {"zero": np.zeros((), np.float32), "most": np.array(np.finfo(np.float32).max)},
    ),
    "HardSigmoid of torch": ("HardSigmoid", "x", {"alpha": 1 / 6}, {}),
    "LeakyRelu steep": ("LeakyRelu", "x", {"alpha": 0.3}, {}),
    "Elu small": ("Elu", "x", {"alpha": 0.3}, {}),
    "Celu small": ("Celu", "x", {"alpha": 0.3}, {}),
    "PRelu": ("PRelu", "x c", {}, {}),
    "PRelu of one slope": ("PRelu", "x half", {}, {}),
    "Where": ("Where", "mask x m", {}, {"mask": random(4, 6) > 0}),
    "Softmax over time": ("Softmax", "x", {"axis": 1}, {}),
    "Transpose": ("Transpose", "x", {"perm": [0, 2, 1]}, {}),
    "Flatten from the end": ("Flatten", "x", {"axis": -1}, {}),
    "Reshape": ("Reshape", "x s", {}, {"s": i64(0, -1, 3)}),
    "Reshape flat": ("Reshape", "x s", {}, {"s": i64(-1)}),
    "Unsqueeze": ("Unsqueeze", "x s", {}, {"s": i64(-1, 1)}),
    "Squeeze": ("Squeeze", "x s", {}, {"s": i64(0)}),
    "Squeeze all": ("Squeeze", "x", {}, {}),
    "Concat": ("Concat", "x x m3", {"axis": -2}, {"m3": random(1, 2, 6)}),
    "Slice": ("Slice", "x a b k", {}, {"a": i64(-2), "b": i64(2**62), "k": i64(1)}),
    "Slice two axes": (
        "Slice",
        "x a b k s",
        {},
        {"a": i64(0, 5), "b": i64(3, -100), "k": i64(1, 2), "s": i64(2, -2)},
    ),
    "Slice without axes": ("Slice", "x a b", {}, {"a": i64(0, 1), "b": i64(1, -1)}),
    "Gather a number": ("Gather", "x i", {"axis": 1}, {"i": np.array(-1)}),
    "Gather in order": ("Gather", "x i", {"axis": 2}, {"i": i64(1, 2, 3)}),
    "Gather a table": ("Gather", "x i", {"axis": 1}, {"i": np.array([[0, -1], [2, 2]])}),
    "Expand": ("Expand", "x s", {}, {"s": i64(2, 1, 4, 6)}),
    "Tile": ("Tile", "x s", {}, {"s": i64(1, 2, 3)}),
    "Pad": ("Pad", "x s", {}, {"s": i64(0, 2, 0, 0, 0, 1)}),
    "Pad with a value": ("Pad", "x s half", {}, {"s": i64(0, 2, 1, 0, 0, 1)}),
    "Pad by edges": ("Pad", "x s", {"mode": "edge"}, {"s": i64(0, 2, 0, 0, 0, 1)}),
    "Pad by reflection": ("Pad", "x s", {"mode": "reflect"}, {"s": i64(0, 2, 0, 0, 1, 0)}),
    "ReduceMean last": ("ReduceMean", "x", {"axes": [-1], "keepdims": 0}, {}),
    "ReduceSum by an input": ("ReduceSum", "x s", {"keepdims": 1}, {"s": i64(1)}),
    "ReduceSum of nothing": ("ReduceSum", "x", {"noop_with_empty_axes": 1}, {}),
    "MatMul": ("MatMul", "x w", {}, {"w": random(6, 3)}),
    "MatMul from the left": ("MatMul", "w x", {}, {"w": random(3, 4)}),
    "MatMul of two activations": ("MatMul", "x t", {}, {}),
    "Einsum": ("Einsum", "x w", {"equation": "btf,fg->btg"}, {"w": random(6, 2)}),
    "Conv": ("Conv", "x w b", {}, {"w": random(3, 4, 2), "b": random(3)}),
    "Conv, causal": ("Conv", "x w", {"pads": [2, 0]}, {"w": random(3, 4, 3)}),
    "Conv, dilated": ("Conv", "x w", {"dilations": [2], "pads": [2, 2]}, {"w": random(3, 4, 3)}),
    "Conv, grouped": ("Conv", "x w", {"group": 4, "strides": [2]}, {"w": random(4, 1, 3)}),
    "Conv, same above": ("Conv", "x w", {"auto_pad": "SAME_UPPER"}, {"w": random(3, 4, 2)}),
    "Conv, same below": ("Conv", "x w", {"auto_pad": "SAME_LOWER"}, {"w": random(3, 4, 2)}),
    "Conv, valid": ("Conv", "x w", {"auto_pad": "VALID"}, {"w": random(3, 4, 2)}),
    "MaxPool": ("MaxPool", "x", {"kernel_shape": [2], "strides": [2], "pads": [1, 0]}, {}),
    "AveragePool": ("AveragePool", "x", {"kernel_shape": [3]}, {}),
    "AveragePool, padded": (
        "AveragePool",
        "x",
        {"kernel_shape": [3], "pads": [1, 1], "count_include_pad": 1},
        {},
    ),
    "BatchNormalization": (
        "BatchNormalization",
        "x a b mean var",
        {"epsilon": 1e-3},
        {"a": random(4), "b": random(4), "mean": random(4), "var": np.abs(random(4)) + 0.5},
    ),
    "LayerNormalization": ("LayerNormalization", "x c c", {"epsilon": 1e-3}, {}),
    "LayerNormalization over two axes": ("LayerNormalization", "x m", {"axis": 1}, {}),
    "InstanceNormalization": (
        "InstanceNormalization",
        "x a b",
        {},
        {"a": random(4), "b": random(4)},
    ),
    "AveragePool, not counted": (
        "AveragePool",
        "x",
        {"kernel_shape": [3], "pads": [1, 1], "strides": [2], "ceil_mode": 1},
        {},
    ),
    "MaxPool, last window over the end": (
        "MaxPool",
        "x",
        {"kernel_shape": [3], "strides": [2], "ceil_mode": 1},
        {},
    ),
    "ReduceLogSum": ("ReduceLogSum", "e", {"axes": [-1]}, {}),
    "Cast": ("Cast", "x", {"to": 1}, {}),
    "CastLike": ("CastLike", "x c", {}, {}),
    "Trilu": ("Trilu", "x", {"upper": 0}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_operation(name: str, tmp_path: Path) -> None:
    check_case(CASES[name], tmp_path)


def check_case(case: Case, folder: Path) -> None:
    """One operation between others computes what ONNX Runtime does."""
    op, inputs, attributes, weights = case
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 1]),
        node("Exp", "x", "e"),
        node("Sigmoid", "x", "share"),
        node(op, inputs, "out", **attributes),
        node("Identity", "out", "y"),
    ]
    used = {n for one in nodes for n in one.input}
    known = {key: value for key, value in (W | weights).items() if key in used}
    made = model(nodes, {"x": SHAPE}, {"y": []}, known)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    assert_same(opened(made, folder))


@pytest.mark.parametrize("sizes", [[3, 1, 2], None])
def test_split_and_its_outputs(sizes: list[int] | None, tmp_path: Path) -> None:
    inputs = "x" if sizes is None else "x s"
    nodes = [node("Split", inputs, "a b c", axis=-1), node("Concat", "c a b", "y", axis=-1)]
    weights = {} if sizes is None else {"s": i64(*sizes)}
    assert_same(opened(model(nodes, {"x": SHAPE}, {"y": SHAPE}, weights), tmp_path))


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0), (2.0, 0.0)])
@pytest.mark.parametrize("bias", [(3,), (1, 3), (1,), None])
def test_gemm_by_a_weight(transposed: int, alpha: float, beta: float, bias, tmp_path: Path) -> None:
    weights = {"W": random(3, 6) if transposed else random(6, 3)}
    weights |= {} if bias is None else {"b": random(*bias, seed=1)}
    gemm = node("Gemm", " ".join(("x", *weights)), "y", transB=transposed, alpha=alpha, beta=beta)
    run = opened(model([gemm], {"x": [1, 6]}, {"y": [1, 3]}, weights), tmp_path)
    assert_same(run)
    module = run.imported.module
    assert module is not None
    names = {n.removesuffix(".T") for n, _ in module.named_parameters()}
    assert names <= {"W", "b"} and "W" in names


def test_gemm_of_two_activations_and_a_transposed_one(tmp_path: Path) -> None:
    nodes = [node("Gemm", "x h", "a", transA=1), node("Gemm", "a W h", "y", transA=1, alpha=0.5)]
    made = model(nodes, {"x": [1, 6], "h": [1, 6]}, {"y": [6, 6]}, {"W": random(6, 6)})
    assert_same(opened(made, tmp_path))


@pytest.mark.parametrize("opset", [13, 20])
def test_operations_of_other_opsets(opset: int, tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", "x", "mean", axes=[-1])
        if opset < 18
        else node("ReduceMean", "x last", "mean"),
        node("Sub", "x mean", "centred"),
    ]
    if opset < 18:
        nodes.append(node("Tanh", "centred", "y"))
    else:
        nodes.append(node("Gelu", "centred", "g", approximate="tanh"))
        nodes.append(node("Gelu", "g", "e"))
        nodes.append(node("Mish", "e", "y"))
    known = {"last": i64(-1)} if opset >= 18 else {}
    made = model(nodes, {"x": SHAPE}, {"y": SHAPE}, known)
    made.opset_import[0].version = opset
    assert_same(opened(made, tmp_path))


@pytest.mark.parametrize(("opset", "values"), [(18, 2), (21, 4)])
def test_group_normalization_by_group_and_by_channel(
    opset: int, values: int, tmp_path: Path
) -> None:
    weights = {"a": random(values), "b": random(values)}
    nodes = [node("GroupNormalization", "x a b", "y", num_groups=2)]
    made = model(nodes, {"x": SHAPE}, {"y": SHAPE}, weights)
    made.opset_import[0].version = opset
    assert_same(opened(made, tmp_path))


def test_shape_arithmetic_is_computed_at_import(tmp_path: Path) -> None:
    """What exporters write for x.reshape(x.shape[0], -1)[:, :n] with a mask of constants."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "batch"),
        node("Unsqueeze", "batch first", "batch_1"),
        node("Concat", "batch_1 minus", "target", axis=0),
        node("Reshape", "x target", "flat"),
        node("Size", "x", "size"),
        node("Div", "size two", "n"),
        node("Mod", "n seven", "n7"),
        node("Range", "zero n one", "places"),
        node("Less", "places n7", "low"),
        node("Not", "low", "high"),
        node("GreaterOrEqual", "places n7", "same"),
        node("And", "high same", "both"),
        node("Or", "both low", "all"),
        node("Equal", "all low", "equal"),
        node("ConstantOfShape", "shape12", "zeros"),
        node("Cast", "places", "floats", to=1),
        node("Where", "equal floats zeros", "mask"),
        node("Greater", "mask zeros", "positive"),
        node("LessOrEqual", "mask zeros", "negative"),
        node("Xor", "positive negative", "any"),
        node("Cast", "any", "ones", to=1),
        node("Unsqueeze", "n first", "n_1"),
        node("Slice", "flat first n_1 last", "half"),
        node("Mul", "half mask", "masked"),
        node("Add", "masked ones", "y"),
    ]
    weights = {
        "zero": np.array(0),
        "one": np.array(1),
        "two": np.array(2),
        "seven": np.array(7),
        "first": i64(0),
        "minus": i64(-1),
        "last": i64(-1),
        "shape12": i64(12),
    }
    run = opened(model(nodes, {"x": SHAPE}, {"y": [1, 12]}, weights), tmp_path)
    assert_same(run)
    assert run.imported.module is not None
    left = {call.node.op for call, _ in run.imported.module.steps}
    assert left == {"Reshape", "Slice", "Mul", "Add"}


def test_every_operation_is_tested() -> None:
    here = Path(__file__)
    text = here.read_text() + here.with_name("test_signal.py").read_text()
    recurrent = {"RNN", "GRU", "LSTM"}
    assert [
        op
        for op in OPERATORS
        if op not in {*recurrent, *ALONE} and f'"{op.removeprefix("ml.")}"' not in text
    ] == []
