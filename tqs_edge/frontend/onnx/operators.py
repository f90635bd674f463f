"""Every ONNX operation that can be imported, and what to use instead of some others."""

from __future__ import annotations

from tqs_edge.frontend.onnx import (
    elementwise,
    layout,
    matrix,
    recurrent,
    regressors,
    signal,
)
from tqs_edge.frontend.onnx.node import Operator

OPERATORS: dict[str, Operator] = {
    **elementwise.OPERATORS,
    **layout.OPERATORS,
    **matrix.OPERATORS,
    **recurrent.OPERATORS,
    **regressors.OPERATORS,
    **signal.OPERATORS,
}
NEAREST = "use MatMul, Gemm, Conv, GRU, LSTM, elementwise operations, slices and reshapes"
ALTERNATIVES = {
    "If": "export with fixed shapes, so that the branch is known",
    "Loop": "export with the loop unrolled",
    "Scan": "export with the loop unrolled",
    "QuantizeLinear": "give the float model: widths are chosen here",
    "DequantizeLinear": "give the float model: widths are chosen here",
    "DynamicQuantizeLinear": "give the float model: widths are chosen here",
    "RandomNormal": "a step must draw no random numbers",
    "RandomNormalLike": "a step must draw no random numbers",
    "RandomUniform": "a step must draw no random numbers",
    "RandomUniformLike": "a step must draw no random numbers",
}
