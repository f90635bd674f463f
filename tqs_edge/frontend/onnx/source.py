"""An .onnx file as a named step that torch.export can capture."""

from __future__ import annotations

from pathlib import Path

from tqs_edge.frontend.named_step import NamedStep
from tqs_edge.frontend.onnx.file import read_onnx_model
from tqs_edge.frontend.onnx.graph import import_graph
from tqs_edge.frontend.onnx.reference import check_nodes, reference_step


def open_onnx(path: Path) -> NamedStep:
    """The step in an .onnx file, with what of it cannot be imported.

    Raises ToolMissing without the onnx package, InputError for whatever is wrong with the file
    (see `read_onnx_model`), and ImportMismatch naming the node that computes something else.
    """
    model = read_onnx_model(path)
    imported = import_graph(model)
    module, inputs, obstacles = imported.module, imported.inputs, imported.obstacles
    if module is None or obstacles:
        return NamedStep(path.stem, path.name, module, keywords=inputs, obstacles=obstacles)
    step = reference_step(model)
    check_nodes(model, module, step)
    return NamedStep(path.stem, path.name, module, keywords=inputs, original=step)
