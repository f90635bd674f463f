"""The ONNX Runtime black box: initializers replaced, whichever way round the file keeps them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.backends.onnx_models import expected, layouts, model, node, random, save
from tests.backends.steps import one_row_changed
from tqs_edge.backends.black_box import BlackBox
from tqs_edge.backends.onnx_backend import OnnxRunner, onnx_backend

pytestmark = pytest.mark.onnx

CONTEXTS = torch.from_numpy(random(3, 4, 5, 2, scale=1.0))


def changed_arrays(box: BlackBox, path: str) -> dict[str, np.ndarray]:
    """All weights as `one_row_changed` leaves them in variant 1."""
    arrays = {name: value.astype(np.float64) for name, value in box.weights.items()}
    arrays[path][1] += one_row_changed(box, path)[0].delta[0, 0].numpy()
    return arrays


@pytest.mark.parametrize("batch", [1, "batch"])
def test_every_layout_is_shown_and_replaced_as_rows_by_depth(
    batch: int | str, tmp_path: Path
) -> None:
    box = onnx_backend(save(layouts(batch), tmp_path / "m.onnx"))
    assert {k: v.shape for k, v in box.weights.items()} == {
        "W": (3, 2),
        "V": (3, 3),
        "G": (2, 3),
        "T": (2, 3),
    }
    assert isinstance(box.runner, OnnxRunner)
    assert box.runner.batch_axes == (None if batch == 1 else (0, 0))
    assert (box.name, box.label, str(box.form), box.states) == (
        "onnxruntime",
        "m.onnx",
        "recurrent",
        ("h",),
    )
    for path in box.weights:
        frames = box.rollout(CONTEXTS, 6, changes=one_row_changed(box, path))
        want = expected(changed_arrays(box, path), CONTEXTS[1, 3].numpy(), 6)
        np.testing.assert_allclose(frames[1, 3], want, rtol=1e-4, atol=1e-5)
        clean = expected(box.weights, CONTEXTS[0, 2].numpy(), 6)
        np.testing.assert_allclose(frames[0, 2], clean, rtol=1e-4, atol=1e-5)


def test_initializers_that_are_also_graph_inputs_are_no_inputs_of_the_step(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    made = layouts()
    for tensor in list(made.graph.initializer):
        made.graph.input.append(
            helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, list(tensor.dims))
        )
    box = onnx_backend(save(made, tmp_path / "m.onnx"))
    assert list(box.tensors) == ["x", "h"]
    frames = box.rollout(CONTEXTS, 3, changes=one_row_changed(box, "V"))
    want = expected(changed_arrays(box, "V"), CONTEXTS[1, 0].numpy(), 3)
    np.testing.assert_allclose(frames[1, 0], want, rtol=1e-4, atol=1e-5)


def test_external_data_is_read(tmp_path: Path) -> None:
    import onnx

    here, there = save(layouts(), tmp_path / "in.onnx"), tmp_path / "ex.onnx"
    onnx.save(layouts(), there, save_as_external_data=True, location="ex.data", size_threshold=0)
    assert (tmp_path / "ex.data").exists()
    boxes = onnx_backend(here), onnx_backend(there)
    changes = one_row_changed(boxes[0], "W")
    frames = [box.rollout(CONTEXTS, 3, changes=changes) for box in boxes]
    assert torch.equal(*frames)


def test_recurrent_operators_have_gates_in_their_rows(tmp_path: Path) -> None:
    weights = {"W": random(1, 9, 2), "R": random(1, 9, 3), "H": random(3, 2)}
    nodes = [
        node("Unsqueeze", "x axis0", "rows"),
        node("GRU", "rows W R - - h", "all h_next", hidden_size=3),
        node("Squeeze", "h_next axis0", "last"),
        node("MatMul", "last H", "y"),
    ]
    made = model(
        nodes,
        {"x": ["n", 2], "h": [1, "n", 3]},
        {"y": ["n", 2], "h_next": [1, "n", 3]},
        {**weights, "axis0": np.array([0])},
    )
    box = onnx_backend(save(made, tmp_path / "m.onnx"))
    assert isinstance(box.runner, OnnxRunner) and box.runner.batch_axes == (0, 1)
    assert {k: v.shape for k, v in box.weights.items()} == {"W": (9, 2), "R": (9, 3), "H": (2, 3)}
    frames = box.rollout(CONTEXTS, 2, changes=one_row_changed(box, "R"))
    w, r, head = (changed_arrays(box, "R")[name] for name in ("W", "R", "H"))
    x, h = CONTEXTS[1, 1].numpy(), np.zeros(3)
    for row in x:
        z, gate = (1 / (1 + np.exp(-(w[s] @ row + r[s] @ h))) for s in (slice(3), slice(3, 6)))
        h = (1 - z) * np.tanh(w[6:] @ row + r[6:] @ (gate * h)) + z * h
    np.testing.assert_allclose(frames[1, 1, 0], head @ h, rtol=1e-4, atol=1e-5)


def test_convolutions_have_a_row_for_each_output_channel(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "window", "columns", perm=[0, 2, 1]),
        node("Conv", "columns K", "y_columns"),
        node("Transpose", "y_columns", "y", perm=[0, 2, 1]),
    ]
    made = model(nodes, {"window": [1, 4, 2]}, {"y": [1, 2, 2]}, {"K": random(2, 2, 3)})
    box = onnx_backend(save(made, tmp_path / "m.onnx"))
    assert box.weights["K"].shape == (2, 6) and str(box.form) == "windowed"
    frames = box.rollout(CONTEXTS, 2, changes=one_row_changed(box, "K"))
    kernel = changed_arrays(box, "K")["K"].reshape(2, 2, 3)
    window = CONTEXTS[1, 0, -4:].numpy().T
    want = [[(kernel[c] * window[:, t : t + 3]).sum() for c in range(2)] for t in range(2)]
    np.testing.assert_allclose(frames[1, 0], want, rtol=1e-4, atol=1e-5)


def test_a_batch_that_mixes_rollouts_is_not_used(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", "x", "mean", axes=[0], keepdims=1),
        node("Sub", "x mean", "centred"),
        node("Add", "centred x", "both"),
        node("MatMul", "both W", "y"),
    ]
    made = model(nodes, {"x": ["n", 2]}, {"y": ["n", 2]}, {"W": random(2, 2)})
    box = onnx_backend(save(made, tmp_path / "m.onnx"))
    assert isinstance(box.runner, OnnxRunner) and box.runner.batch_axes is None
    frames = box.rollout(CONTEXTS[:, :, -1:], 1)
    want = CONTEXTS[:, :, -1].numpy() @ random(2, 2)
    np.testing.assert_allclose(frames[:, :, 0], want, rtol=1e-5)


def test_an_exogenous_input_may_come_second(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", "x W", "a"),
        node("MatMul", "exog E", "b"),
        node("Add", "a b", "y"),
    ]
    weights = {"W": random(2, 2), "E": random(3, 2)}
    made = model(nodes, {"x": [1, 2], "exog": [1, 3]}, {"y": [1, 2]}, weights)
    box = onnx_backend(save(made, tmp_path / "m.onnx"))
    exog = torch.from_numpy(random(3, 4, 6, 3))
    frames = box.rollout(CONTEXTS, 2, exog=exog)
    want = CONTEXTS[2, 1, 4].numpy() @ weights["W"] + exog[2, 1, 4].numpy() @ weights["E"]
    np.testing.assert_allclose(frames[2, 1, 0], want, rtol=1e-4, atol=1e-6)


def test_an_onnx_black_box_can_leave_the_process(tmp_path: Path) -> None:
    box = onnx_backend(save(layouts(), tmp_path / "m.onnx"))
    there = pickle.loads(pickle.dumps(box))
    assert torch.equal(there.rollout(CONTEXTS, 2), box.rollout(CONTEXTS, 2))
