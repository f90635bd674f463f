"""An .onnx file as a black box that ONNX Runtime executes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tqs_edge.backends.black_box import (
    BatchedStep,
    BlackBox,
    Tensors,
    black_box,
    one_by_one,
    random_inputs,
    same_values,
)
from tqs_edge.backends.onnx_file import OnnxFile, read_onnx
from tqs_edge.errors import InputError
from tqs_edge.frontend.onnx.file import first_line
from tqs_edge.frontend.signature import StepSignature, order_inputs, tensor_shape
from tqs_edge.graph.rollout_model import RolloutForm


@dataclass(frozen=True, eq=False)
class OnnxSession:
    """The step of a file with some weights replaced, as a function of (x, exog, *states).

    kept: the replaced values, which the session reads but does not own
    names: of the inputs in the order of the step; outputs: y and the states
    """

    session: Any
    kept: tuple[Any, ...]
    names: tuple[str, ...]
    outputs: tuple[str, ...]

    def __call__(self, tensors: Tensors) -> Tensors:
        feeds = {name: t.numpy() for name, t in zip(self.names, tensors, strict=True)}
        return tuple(torch.from_numpy(out) for out in self.session.run(self.outputs, feeds))


def open_session(file: OnnxFile, replaced: Mapping[str, np.ndarray]) -> OnnxSession:
    """A session of `file` on one thread, the given weights (rows, depth) in place of its own.

    ONNX Runtime takes a replaced initializer instead of the one in the file, but only after graph
    optimisation, so that whatever was folded or rewritten would still hold the old values: the
    graph is run as it stands. Raises InputError where ONNX Runtime cannot run the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    kept = []
    for name, matrix in replaced.items():
        stored = file.weights[name].to_stored(matrix)
        kept.append(onnxruntime.OrtValue.ortvalue_from_numpy(stored))
        options.add_initializer(name, kept[-1])
    try:
        session = onnxruntime.InferenceSession(
            file.content, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has a class for each status
        raise InputError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run '{file.label}': "
            f"{first_line(error)}; export it again with an opset and operations it has"
        ) from error
    names = tuple(value.name for value in file.inputs)
    return OnnxSession(session, tuple(kept), names, file.outputs)


@dataclass(frozen=True, eq=False)
class OnnxRunner:
    """A `StepRunner`: one session for each variant, its weights replaced.

    file: its inputs in the order of the step. batch_axes: where the inputs take a batch of
    rollouts, None where they run one by one
    """

    file: OnnxFile
    batch_axes: tuple[int, ...] | None

    def bind(self, weights: Mapping[str, torch.Tensor], variants: int) -> BatchedStep:
        """See `StepRunner.bind`."""
        arrays = {path: value.numpy() for path, value in weights.items()}
        sessions = [
            open_session(self.file, {path: value[v] for path, value in arrays.items()})
            for v in range(variants if weights else 1)
        ]
        if self.batch_axes is None:
            return one_by_one(sessions)
        return _batch_by_batch(sessions, self.batch_axes)


def _batch_by_batch(sessions: Sequence[OnnxSession], axes: tuple[int, ...]) -> BatchedStep:
    """All rollouts of a session in one call; with a single session, those of all variants."""

    def run(tensors: Tensors) -> Tensors:
        batch = tensors[0].shape[:2]
        flat = [t.reshape(len(sessions), -1, *t.shape[2:]) for t in tensors]
        outputs = [_as_batch(one, axes, [t[i] for t in flat]) for i, one in enumerate(sessions)]
        return tuple(
            torch.stack(same).reshape(*batch, *same[0].shape[1:])
            for same in zip(*outputs, strict=True)
        )

    return run


def _as_batch(
    session: OnnxSession, axes: tuple[int, ...], tensors: Sequence[torch.Tensor]
) -> Tensors:
    """Tensors (B, *shape) through a step that takes B along `axes` in place of an extent of 1."""
    placed = (t.squeeze(1 + axis).movedim(0, axis) for t, axis in zip(tensors, axes, strict=True))
    outputs = session(tuple(placed))
    states = axes[len(axes) + 1 - len(outputs) :]
    return tuple(
        out.movedim(axis, 0).unsqueeze(1 + axis)
        for out, axis in zip(outputs, (0, *states), strict=True)
    )


def onnx_backend(path: Path, form: RolloutForm | None = None) -> BlackBox:
    """The model in an .onnx file as a black box of ONNX Runtime on the CPU.

    Weights are called after their initializers and shown as (rows, depth) whichever way round the
    file keeps them. Rollouts run in batches where every input has a dynamic batch and a batch gives
    the same results, else one by one. Raises InputError for whatever is wrong with the file (see
    `read_onnx`), its operations or its signature, ToolMissing without the packages.
    """
    file = read_onnx(path)
    shapes = {value.name: value.shape for value in file.inputs}
    outputs = _first_run(file)
    results = [
        tensor_shape(f"output '{name}'", value)
        for name, value in zip(file.outputs, outputs, strict=True)
    ]
    signature = order_inputs(tuple(shapes), shapes, results)
    by_name = {value.name: value for value in file.inputs}
    file = replace(file, inputs=tuple(by_name[name] for name in signature.placeholders))
    runner = OnnxRunner(file, _batch_axes(file, signature))
    return black_box("onnxruntime", file.label, signature, form, file.arrays, runner)


def _first_run(file: OnnxFile) -> Tensors:
    """The outputs of one step, whose shapes the file need not tell."""
    session = open_session(file, {})
    try:
        return session(tuple(torch.zeros(value.shape) for value in file.inputs))
    except Exception as error:  # ONNX Runtime has a class for each status
        raise InputError(
            f"'{file.label}' fails on inputs of the shapes it declares: {first_line(error)}"
        ) from error


def _batch_axes(file: OnnxFile, signature: StepSignature) -> tuple[int, ...] | None:
    """Where the inputs take a batch, if they all do and it gives what running one by one gives."""
    axes = tuple(value.batch_axis for value in file.inputs if value.batch_axis is not None)
    if len(axes) < len(file.inputs):
        return None
    inputs = random_inputs(signature, 1, 3)
    want = OnnxRunner(file, None).bind({}, 1)(inputs)
    try:
        got = OnnxRunner(file, axes).bind({}, 1)(inputs)
    except Exception:  # the graph has a batch of 1 built in
        return None
    return axes if same_values(got, want) else None
