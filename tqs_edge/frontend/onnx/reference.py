"""Runs an ONNX model as it stands, by ONNX Runtime or else by ONNX's own evaluator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from tqs_edge.errors import ImportMismatch, InputError
from tqs_edge.frontend.onnx.file import OnnxModel, first_line
from tqs_edge.frontend.onnx.module import OnnxModule

TOLERANCE = 1e-5  # relative to the largest value of a tensor, at least 1: float32 reordering
Tensors = tuple[torch.Tensor, ...]
Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


def reference_step(model: OnnxModel) -> Callable[..., Tensors]:
    """The model as a function of tensors (x, exog, *states) -> (y, *states).

    Raises InputError where the model cannot be run.
    """
    run = _runner(model.label, model.proto, model.outputs)
    names = [value.name for value in model.inputs]

    def step(*tensors: torch.Tensor) -> Tensors:
        feeds = {n: t.detach().contiguous().numpy() for n, t in zip(names, tensors, strict=True)}
        try:
            outputs = run(feeds)
        except Exception as error:  # ONNX Runtime has a class for each status
            raise InputError(
                f"'{model.label}' fails on inputs of the shapes it declares: {first_line(error)}"
            ) from error
        return tuple(torch.from_numpy(np.array(output)) for output in outputs)

    return step


def check_nodes(model: OnnxModel, module: OnnxModule, step: Callable[..., Tensors]) -> None:
    """Raises ImportMismatch naming the first node whose outputs differ from the model's own.

    step: as `reference_step` made it. Only where the outputs of the step differ are the values
    between its nodes compared, on the same normal inputs.
    """
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(value.shape, generator=generator) for value in model.inputs]
    named = dict(zip(module.inputs, inputs, strict=True))
    with torch.no_grad():
        got = module(**named)
    pairs = zip(got, step(*inputs), strict=True)
    if not any(_difference(g.numpy(), w.numpy()) > 0.0 for g, w in pairs):
        return
    with torch.no_grad():
        values = module.values(**named)
    outputs = [name for call, _ in module.steps for name in call.node.outputs if name in values]
    feeds = {v.name: t.numpy() for v, t in zip(model.inputs, inputs, strict=True)}
    wanted = _runner(model.label, _with_outputs(model.proto, outputs), outputs)(feeds)
    makers = {name: call.node for call, _ in module.steps for name in call.node.outputs}
    for name, want in zip(outputs, wanted, strict=True):
        error = _difference(values[name].numpy(), want)
        if error > 0.0:
            node = makers[name]
            raise ImportMismatch(
                f"'{model.label}': node '{node.name}' ({node.op}) differs from the ONNX model in "
                f"'{name}' by {error:.2e}; this is a bug of the import, please report the model"
            )


def _difference(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference, 0 within the tolerance; infinite for other shapes."""
    if got.shape != want.shape:
        return float("inf")
    if want.dtype.kind != "f" or not want.size:
        return float(not np.array_equal(got, want))
    scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
    if np.allclose(got, want, rtol=0.0, atol=TOLERANCE * scale, equal_nan=True):
        return 0.0
    return float(np.abs(got - want).max())


def _with_outputs(proto: Any, outputs: Sequence[str]) -> Any:
    """The model with more of its values as outputs."""
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(proto)
    present = {output.name for output in made.graph.output}
    made.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in outputs if name not in present
    )
    return made


def _runner(label: str, proto: Any, outputs: Sequence[str]) -> Run:
    try:
        import onnxruntime
    except ImportError:
        return _evaluator(label, proto, outputs)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has a class for each status
        raise InputError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run '{label}': {first_line(error)}; "
            "export it again with an opset and operations it has"
        ) from error
    return lambda feeds: list(session.run(list(outputs), feeds))


def _evaluator(label: str, proto: Any, outputs: Sequence[str]) -> Run:
    from onnx.reference import ReferenceEvaluator

    try:
        evaluator = ReferenceEvaluator(proto)
    except Exception as error:  # it has many classes for what it does not know
        raise InputError(
            f"ONNX cannot run '{label}': {first_line(error)}; install onnxruntime"
        ) from error
    return lambda feeds: list(evaluator.run(list(outputs), feeds))
