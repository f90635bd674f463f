"""Reads an .onnx file with its data and the order of its step, every defect one clear line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tqs_edge.errors import InputError, ToolMissing
from tqs_edge.frontend.onnx.order import step_inputs, step_outputs

if TYPE_CHECKING:
    import onnx

INSTALL = "pip install 'tqs-edge[onnx]'"
MAX_BYTES = 1 << 31  # what protobuf can hold in memory


@dataclass(frozen=True, eq=False)
class OnnxInput:
    """A float32 input of the step; its batch axis, of any extent, counts as 1 in `shape`."""

    name: str
    shape: tuple[int, ...]
    batch_axis: int | None


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """What a model file holds.

    proto: the whole model with its external data. inputs: (x, exog, *states); outputs: the names
    of (y, *states). constants: the initializers by name.
    """

    label: str
    proto: onnx.ModelProto
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    constants: dict[str, np.ndarray]


def require_onnx(*, runtime: bool = True) -> None:
    """Raises ToolMissing, naming what to install, unless .onnx files can be read (and run)."""
    try:
        import onnx  # noqa: F401

        if runtime:
            import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ToolMissing(f"an .onnx model needs onnx and onnxruntime; {INSTALL}") from error


def read_onnx_model(path: Path) -> OnnxModel:
    """The model in an .onnx file.

    Raises ToolMissing without the package; InputError where the file or its external data is
    missing or damaged, an input is not float32 or has a dynamic extent other than the batch
    (axis 0), or an initializer holds NaN.
    """
    require_onnx(runtime=False)
    model = _parse(path)
    _load_external_data(model, path)
    graph = model.graph
    if model.ByteSize() >= MAX_BYTES:
        raise InputError(f"'{path}' is larger than 2 GiB, which ONNX cannot hold in one piece")
    if graph.sparse_initializer:
        raise InputError(f"'{path}' has sparse initializers; export them as dense tensors")
    constants = _constants(path, graph)
    given = {value.name: value for value in graph.input if value.name not in constants}
    if not given:
        raise InputError(f"'{path}' takes no input; want (x, *state) or (window)")
    ordered = step_inputs(list(given))
    return OnnxModel(
        label=path.name,
        proto=model,
        inputs=tuple(_inputs(path, [given[name] for name in ordered])),
        outputs=tuple(step_outputs(ordered, [output.name for output in graph.output])),
        constants=constants,
    )


def _parse(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise InputError(f"model file '{path}' does not exist")
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise InputError(f"'{path}' is not an ONNX model or is damaged; export it again") from error
    if not model.graph.node:
        raise InputError(f"'{path}' holds no ONNX graph; export it again")
    return model


def _load_external_data(model: onnx.ModelProto, path: Path) -> None:
    from onnx.external_data_helper import load_external_data_for_model, uses_external_data

    for tensor in model.graph.initializer:
        if not uses_external_data(tensor):
            continue
        location = next((e.value for e in tensor.external_data if e.key == "location"), "")
        if not (path.parent / location).is_file():
            raise InputError(
                f"'{path}' keeps '{tensor.name}' in the file '{location}', which is missing; put "
                "it beside the model or export with external_data=False"
            )
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # each defect of the data file has another class
        raise InputError(
            f"the external data of '{path}' cannot be read ({first_line(error)}); export it again"
        ) from error


def _constants(path: Path, graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    constants = {}
    for tensor in graph.initializer:
        try:
            value = numpy_helper.to_array(tensor)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"'{path}': initializer '{tensor.name}' is damaged ({error})"
            ) from error
        reject_values(path, tensor.name, value, infinite=False)
        constants[tensor.name] = value
    return constants


def reject_values(path: Path, name: str, value: np.ndarray, *, infinite: bool) -> None:
    """Raises InputError for NaN, which is never meant, or also for infinities, as in masks."""
    if value.dtype.kind != "f":
        return
    bad = int((~np.isfinite(value) if infinite else np.isnan(value)).sum())
    if bad:
        raise InputError(
            f"'{path}': initializer '{name}' has {bad} NaN or infinite values; load a finished "
            "checkpoint before exporting"
        )


def _inputs(path: Path, values: Sequence[Any]) -> Iterator[OnnxInput]:
    """The inputs of the step, x first; the extent named like its axis 0 is the batch."""
    import onnx

    batch = ""
    for value in values:
        kind = value.type.tensor_type
        if kind.elem_type != onnx.TensorProto.FLOAT:
            name = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
            raise InputError(f"'{path}': input '{value.name}' is {name}, want float32")
        if not kind.HasField("shape"):
            raise InputError(f"'{path}': input '{value.name}' has no shape; export with one")
        shape, batch_axis = [], None
        for axis, extent in enumerate(kind.shape.dim):
            if extent.HasField("dim_value") and extent.dim_value > 0:
                shape.append(int(extent.dim_value))
                continue
            if value is values[0] and axis == 0:
                batch = extent.dim_param
            if axis and not (batch and extent.dim_param == batch):
                raise InputError(
                    f"'{path}': input '{value.name}' has the dynamic extent "
                    f"'{extent.dim_param or '?'}' at axis {axis}; export with fixed shapes (only "
                    "the batch may be dynamic)"
                )
            shape.append(1)
            batch_axis = axis
        yield OnnxInput(value.name, tuple(shape), batch_axis)


def first_line(error: Exception) -> str:
    """What went wrong, without the traceback of another language."""
    return (str(error).strip().splitlines() or [repr(error)])[0]
