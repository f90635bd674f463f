"""ONNX models opened as the frontend opens them, next to what ONNX Runtime makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.backends.onnx_models import save
from tqs_edge.frontend.onnx.file import OnnxModel, read_onnx_model
from tqs_edge.frontend.onnx.graph import ImportedGraph, import_graph
from tqs_edge.frontend.onnx.reference import reference_step


@dataclass(frozen=True)
class Opened:
    """A model file, its import, and the outputs of both on the same inputs."""

    model: OnnxModel
    imported: ImportedGraph
    got: tuple[torch.Tensor, ...]
    want: tuple[torch.Tensor, ...]


def opened(made: Any, folder: Path, *, scale: float = 1.0) -> Opened:
    """The model imported without obstacles and run once on normal inputs."""
    model = read_onnx_model(save(made, folder / "m.onnx"))
    imported = import_graph(model)
    assert not imported.obstacles and imported.module is not None
    inputs = [scale * torch.randn(value.shape) for value in model.inputs]
    got = imported.module(**dict(zip(imported.inputs, inputs, strict=True)))
    return Opened(model, imported, got, reference_step(model)(*inputs))


def assert_same(run: Opened) -> None:
    """Both give the same shapes and, but for rounding, the same values."""
    assert len(run.got) == len(run.want)
    for got, want in zip(run.got, run.want, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5, equal_nan=True)
