"""Which back end runs what the user names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.backends.onnx_models import layouts, save
from tests.backends.steps import steps
from tqs_edge.backends.choose import BackendName, fallback_backend, open_black_box
from tqs_edge.errors import InputError


def test_onnx_files_that_do_not_compile_run_on_onnx_runtime() -> None:
    assert fallback_backend("folder/m.onnx") is BackendName.ONNXRUNTIME
    assert fallback_backend(Path("m.onnx")) is BackendName.ONNXRUNTIME
    assert fallback_backend("m.pt2") is None
    assert fallback_backend("zoo:ppg-gru") is None
    assert fallback_backend(torch.nn.Linear(1, 1)) is None


@pytest.mark.parametrize("backend", [BackendName.TORCH, BackendName.TVM])
def test_torch_models_open_in_both_torch_and_tvm(backend: BackendName) -> None:
    module, inputs = steps()["driven"]
    box = open_black_box(module, backend, example_inputs=inputs)
    assert (box.name, box.label, box.sizes.exog) == (backend, "Driven", 3)


@pytest.mark.onnx
def test_onnx_files_open_in_onnx_runtime(tmp_path: Path) -> None:
    path = save(layouts(), tmp_path / "m.onnx")
    assert open_black_box(str(path), BackendName.ONNXRUNTIME).name == "onnxruntime"


@pytest.mark.parametrize(
    ("source", "backend", "message"),
    [
        ("m.onnx", BackendName.TORCH, "runs a torch model, not 'm.onnx'"),
        ("zoo:ppg-gru", BackendName.ONNXRUNTIME, "runs an .onnx file, not 'zoo:ppg-gru'"),
        ("zoo:ppg-gru", BackendName.GRAPH, "no black box; use torch, onnxruntime, tvm"),
    ],
)
def test_what_does_not_go_together_is_one_clear_line(
    source: str, backend: BackendName, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_black_box(source, backend)
