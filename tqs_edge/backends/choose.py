"""From what the user names to the black box that runs it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tqs_edge.errors import InputError
from tqs_edge.graph.rollout_model import RolloutForm

if TYPE_CHECKING:
    import torch

    from tqs_edge.backends.black_box import BlackBox
    from tqs_edge.frontend.source import ModelSource


class BackendName(StrEnum):
    """What can execute a step while it is scored."""

    GRAPH = "graph"  # the compiler's own graph: every tensor is a site; models that compile
    TORCH = "torch"  # any module
    ONNXRUNTIME = "onnxruntime"  # .onnx files, also those that do not compile
    TVM = "tvm"  # what TVM imports, compiled


BLACK_BOXES = (BackendName.TORCH, BackendName.ONNXRUNTIME, BackendName.TVM)


def fallback_backend(source: ModelSource) -> BackendName | None:
    """What runs a model that does not compile: ONNX Runtime for .onnx files, else nothing."""
    return BackendName.ONNXRUNTIME if _is_onnx(source) else None


def open_black_box(
    source: ModelSource,
    backend: BackendName,
    *,
    form: RolloutForm | None = None,
    example_inputs: tuple[torch.Tensor, ...] | None = None,
    device: str = "cpu",
) -> BlackBox:
    """The model that `source` names (see `frontend.source.find_step`, or an .onnx file).

    device: of the torch back end. Raises InputError where source and back end do not go together
    and for whatever is wrong with the model, UnsafeModelFile, ToolMissing.
    """
    if _is_onnx(source) != (backend is BackendName.ONNXRUNTIME):
        fits = "an .onnx file" if backend is BackendName.ONNXRUNTIME else "a torch model"
        raise InputError(
            f"the back end {backend} runs {fits}, not '{source}'; drop --backend {backend}"
        )
    if backend is BackendName.ONNXRUNTIME:
        from tqs_edge.backends.onnx_backend import onnx_backend

        return onnx_backend(Path(str(source)), form)
    from tqs_edge.frontend.source import find_step

    named = find_step(source, example_inputs)
    if backend is BackendName.TORCH:
        from tqs_edge.backends.torch_backend import torch_backend

        return torch_backend(named, form, device)
    if backend is BackendName.TVM:
        from tqs_edge.backends.tvm_backend import tvm_backend

        return tvm_backend(named, form)
    raise InputError(f"the back end {backend} is no black box; use {', '.join(BLACK_BOXES)}")


def _is_onnx(source: ModelSource) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix == ".onnx"
