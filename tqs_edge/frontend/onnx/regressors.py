"""Operations of ONNX's domain ai.onnx.ml that exporters of scikit-learn pipelines write."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from tqs_edge.frontend.onnx.node import OnnxNode, Operand, Operator, Result, ints, take


def _linear(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """x @ coefficients^T + intercepts, one row of coefficients for each target."""
    if node.get("post_transform", "NONE") not in ("NONE", b"NONE"):
        raise node.unsupported("with a post_transform", "leave it to an operation after it")
    weight = torch.tensor(node.get("coefficients")).reshape(node.get("targets", 1), -1)
    bias = node.get("intercepts")
    return functional.linear(operands[0], weight, None if bias is None else torch.tensor(bias))


def _scaler(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """(x - offset) * scale by column."""
    scaled: torch.Tensor = operands[0]
    if offset := node.get("offset"):
        scaled = scaled - torch.tensor(offset)
    scale = node.get("scale")
    return scaled * torch.tensor(scale) if scale else scaled


def _columns(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """The entries at these places of the last axis, as polynomial features are put together."""
    x: torch.Tensor = operands[0]
    return take(x, x.ndim - 1, ints(operands[1]))


OPERATORS: dict[str, Operator] = {
    "ml.ArrayFeatureExtractor": Operator(_columns, static=(1,)),
    "ml.LinearRegressor": Operator(_linear),
    "ml.Scaler": Operator(_scaler),
}
