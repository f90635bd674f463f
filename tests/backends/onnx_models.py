"""ONNX models made by hand, so that every layout of a weight is known."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Extents = Sequence[int | str]


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Extents],
    outputs: Mapping[str, Extents],
    weights: Mapping[str, np.ndarray],
) -> Any:
    """An ONNX model of opset 17 with float32 inputs and outputs."""
    from onnx import TensorProto, helper, numpy_helper

    def values(shapes: Mapping[str, Extents]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]

    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(list(nodes), "step", values(inputs), values(outputs), initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 10
    return made


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """A node with space-separated names; "-" stands for an input left out."""
    from onnx import helper

    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


def save(made: Any, path: Path) -> Path:
    """The model written to `path`."""
    path.write_bytes(made.SerializeToString())
    return path


def random(*shape: int, seed: int = 0, scale: float = 0.4) -> np.ndarray:
    """Normal float32 numbers."""
    return (scale * np.random.default_rng([seed, *shape]).standard_normal(shape)).astype(np.float32)


def layouts(batch: int | str = 1) -> Any:
    """A recurrent step that holds weights in every layout of MatMul and Gemm.

    x (batch, 2), h (batch, 3): W is (in, out), V goes through a Transpose, G and T are Gemm's.
    """
    weights = {
        "W": random(2, 3),
        "V": random(3, 3, seed=1),
        "b": random(3),
        "G": random(3, 2, seed=2),
        "T": random(2, 3, seed=3),
    }
    nodes = [
        node("MatMul", "x W", "xw"),
        node("Transpose", "V", "Vt", perm=[1, 0]),
        node("MatMul", "h Vt", "hv"),
        node("Add", "xw hv", "pre"),
        node("Add", "pre b", "biased"),
        node("Tanh", "biased", "h_next"),
        node("Gemm", "h_next G", "g", transB=0),
        node("Gemm", "h_next T g", "y", transB=1),
    ]
    shapes = {"x": [batch, 2], "h": [batch, 3]}
    return model(nodes, shapes, {"y": [batch, 2], "h_next": [batch, 3]}, weights)


def expected(weights: Mapping[str, np.ndarray], context: np.ndarray, horizon: int) -> np.ndarray:
    """Frames (horizon, 2) of `layouts` from a context (rows, 2), weights as (rows, depth)."""
    bias, h, x = random(3), np.zeros(3), context[0]
    frames = []
    for call in range(len(context) + horizon - 1):
        h = np.tanh(weights["W"] @ x + weights["V"] @ h + bias)
        y = weights["G"] @ h + weights["T"] @ h
        if call >= len(context) - 1:
            frames.append(y)
        x = context[call + 1] if call < len(context) - 1 else y
    return np.stack(frames)


def exported(module: nn.Module, inputs: tuple[torch.Tensor, ...], names: list[str]) -> Any:
    """What torch.onnx.export makes of a module, as an ONNX model."""
    import logging

    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells which packages it would also have liked
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter uses deprecated parts of torch
            program = torch.onnx.export(
                module, inputs, input_names=names, dynamo=True, verbose=False
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    return program.model_proto
