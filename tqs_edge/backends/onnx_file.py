"""What ONNX Runtime needs of an .onnx file: its step, its bytes and its weight matrices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tqs_edge.backends.onnx_weights import OnnxWeight, find_weights
from tqs_edge.frontend.onnx.file import OnnxInput, read_onnx_model, reject_values, require_onnx


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """What a model file holds.

    content: the whole model with its external data; weights: by name of the initializer
    arrays: those weights as (rows, depth)
    """

    label: str
    content: bytes
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    weights: dict[str, OnnxWeight]
    arrays: dict[str, np.ndarray]


def read_onnx(path: Path) -> OnnxFile:
    """The model in an .onnx file, to be run by ONNX Runtime.

    Raises ToolMissing without the packages, and InputError as `read_onnx_model` does or where a
    weight is not finite.
    """
    require_onnx()
    model = read_onnx_model(path)
    weights = find_weights(model.proto.graph)
    for name in weights:
        reject_values(path, name, model.constants[name], infinite=True)
    return OnnxFile(
        label=model.label,
        content=model.proto.SerializeToString(),
        inputs=model.inputs,
        outputs=model.outputs,
        weights=weights,
        arrays={name: weight.to_rows(model.constants[name]) for name, weight in weights.items()},
    )
