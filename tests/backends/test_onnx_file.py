"""Everything that can be wrong with an .onnx file is one clear line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends.onnx_models import layouts, model, node, random, save
from tqs_edge.backends.onnx_backend import onnx_backend
from tqs_edge.backends.onnx_file import read_onnx
from tqs_edge.errors import InputError, ToolMissing

pytestmark = pytest.mark.onnx


def one_matrix(shape: list[int | str]):
    """A map y = x W with the given shape of x."""
    made = model([node("MatMul", "x W", "y")], {"x": shape}, {"y": shape}, {"W": random(2, 2)})
    return made


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        onnx_backend(path)
    text = str(caught.value)
    assert "\n" not in text and path.name in text
    return text


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\xfd not protobuf", b"PK\x03\x04zip"])
def test_what_is_not_an_onnx_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert "export it again" in refused(path)


def test_a_truncated_model(tmp_path: Path) -> None:
    path = save(layouts(), tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:-40])
    assert "export it again" in refused(path)


def test_missing_external_data_names_the_file(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "m.onnx"
    onnx.save(layouts(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").unlink()
    assert "'m.data', which is missing" in refused(path)


def test_short_external_data(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "m.onnx"
    onnx.save(layouts(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").write_bytes(b"\0" * 8)
    assert "export it again" in refused(path)


def test_external_data_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    import onnx

    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "m.onnx"
    onnx.save(layouts(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "model" / "m.data").rename(tmp_path / "m.data")
    made = onnx.load(path, load_external_data=False)
    for tensor in made.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../m.data"
    assert "export it again" in refused(save(made, path))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite(bad: float, tmp_path: Path) -> None:
    weight = random(2, 2)
    weight[0, 1] = bad
    made = model([node("MatMul", "x W", "y")], {"x": [1, 2]}, {"y": [1, 2]}, {"W": weight})
    assert "'W' has 1 NaN or infinite" in refused(save(made, tmp_path / "m.onnx"))


def test_a_mask_may_be_infinite_but_not_nan(tmp_path: Path) -> None:
    for value in (-np.inf, np.nan):
        weights = {"W": random(2, 2), "mask": np.array([0.0, value], np.float32)}
        nodes = [
            node("MatMul", "x W", "a"),
            node("Add", "a mask", "b"),
            node("Softmax", "b", "y"),
        ]
        made = model(nodes, {"x": [1, 2]}, {"y": [1, 2]}, weights)
        path = save(made, tmp_path / "m.onnx")
        if np.isnan(value):
            assert "'mask' has 1 NaN" in refused(path)
        else:
            assert list(onnx_backend(path).weights) == ["W"]


def test_dynamic_extents_other_than_the_batch(tmp_path: Path) -> None:
    made = one_matrix([1, "length", 2])
    assert "dynamic extent 'length' at axis 1" in refused(save(made, tmp_path / "m.onnx"))


def test_another_opset_than_onnx_runtime_has(tmp_path: Path) -> None:
    made = one_matrix([1, 2])
    made.opset_import[0].version = 999
    assert "cannot run 'm.onnx'" in refused(save(made, tmp_path / "m.onnx"))


def test_an_operation_that_does_not_exist(tmp_path: Path) -> None:
    made = one_matrix([1, 2])
    made.graph.node[0].op_type = "MatMulOfTomorrow"
    assert "cannot run 'm.onnx'" in refused(save(made, tmp_path / "m.onnx"))


def test_inputs_of_another_type(tmp_path: Path) -> None:
    from onnx import TensorProto

    made = one_matrix([1, 2])
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    assert "input 'x' is double, want float32" in refused(save(made, tmp_path / "m.onnx"))


def test_a_signature_of_no_rollout_form(tmp_path: Path) -> None:
    path = save(one_matrix([1, 1, 1, 2]), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="want recurrent"):
        onnx_backend(path)


def test_a_graph_without_weights(tmp_path: Path) -> None:
    made = model([node("Tanh", "x", "y")], {"x": [1, 2]}, {"y": [1, 2]}, {})
    assert "no weight matrix" in refused(save(made, tmp_path / "m.onnx"))


def test_shared_initializers_show_as_the_first_node_uses_them(tmp_path: Path) -> None:
    nodes = [node("Gemm", "x W", "a", transB=1), node("MatMul", "a W", "y")]
    made = model(nodes, {"x": [1, 2]}, {"y": [1, 2]}, {"W": random(2, 2)})
    file = read_onnx(save(made, tmp_path / "m.onnx"))
    assert not file.weights["W"].transposed
    np.testing.assert_array_equal(file.arrays["W"], random(2, 2))


def test_a_missing_package_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ToolMissing, match=r"tqs-edge\[onnx\]") as caught:
        onnx_backend(tmp_path / "m.onnx")
    assert caught.value.exit_status == 3
