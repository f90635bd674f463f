"""ONNX operations along an axis: running sums, Fourier transforms, stretching, whole norms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from tqs_edge.frontend.onnx.node import OnnxNode, Operand, Operator, Result, ints, operand

TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d}


def _cumulative_sum(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    axis = ints(operands[1])[0] % x.ndim
    if node.get("exclusive", 0) or node.get("reverse", 0):
        raise node.unsupported("exclusive or in reverse", "flip and slice beside a plain CumSum")
    return x.cumsum(axis)


def _conv_transpose(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, weight, bias = operands[0], operands[1], operand(operands, 2)
    rank = weight.ndim - 2
    pads = node.get("pads", [0] * 2 * rank)
    computed = node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or node.get("output_shape")
    if rank not in TRANSPOSED or pads[:rank] != pads[rank:] or computed:
        raise node.unsupported("with computed or uneven padding", "state equal pads on both sides")
    made: torch.Tensor = TRANSPOSED[rank](
        x,
        weight,
        bias,
        stride=node.get("strides", [1] * rank),
        padding=pads[:rank],
        output_padding=node.get("output_padding", [0] * rank),
        groups=node.get("group", 1),
        dilation=node.get("dilations", [1] * rank),
    )
    return made


def _fourier(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """DFT of the last but one axis or of `axis`; complex numbers lie in the last axis."""
    x, length, given = operands[0], operand(operands, 1), operand(operands, 2)
    axis = node.get("axis", 1) if node.opset < 20 else -2 if given is None else ints(given)[0]
    axis %= x.ndim
    count = x.shape[axis] if length is None else ints(length)[0]
    z = torch.complex(x[..., 0], torch.zeros_like(x[..., 0]) if x.shape[-1] == 1 else x[..., 1])
    if node.get("inverse", 0):
        z = torch.fft.ifft(z, count, axis)
    elif node.get("onesided", 0):
        z = torch.fft.rfft(x[..., 0], count, axis)
    else:
        z = torch.fft.fft(z, count, axis)
    return torch.view_as_real(z)


def _resize(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """Nearest or linear interpolation of the last axis."""
    x, scales, sizes = operands[0], operand(operands, 2), operand(operands, 3)
    mode, places = node.get("mode", "nearest"), node.get("coordinate_transformation_mode")
    places = places or "half_pixel"
    if sizes is not None:
        wanted = ints(sizes)
    else:
        wanted = [int(n * float(s)) for n, s in zip(x.shape, scales, strict=True)]
    known = {
        ("nearest", "asymmetric", "floor"): ("nearest", None),
        ("linear", "half_pixel", ""): ("linear", False),
        ("linear", "pytorch_half_pixel", ""): ("linear", False),
        ("linear", "align_corners", ""): ("linear", True),
    }
    rounding = node.get("nearest_mode", "round_prefer_floor") if mode == "nearest" else ""
    found = known.get((mode, places, rounding))
    if found is None or x.ndim != 3 or wanted[:2] != list(x.shape[:2]):
        raise node.unsupported(
            f"'{mode}' with '{places}' over {x.ndim - 2} axes",
            "resize the last of three axes, linear, or nearest with asymmetric floor",
        )
    name, corners = found
    return functional.interpolate(x, wanted[2], mode=name, align_corners=corners)


def _unit_norm(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    axis, order = node.get("axis", -1), node.get("p", 2)
    size = x.abs() if order == 1 else x * x
    total = size.sum(axis, keepdim=True)
    return x / (total if order == 1 else total.sqrt())


def _whole_norm(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    axes = node.get("axes", [0, 2, 3])
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + 1e-9)


def _gather_points(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """x at places that are known, each given by its first few coordinates."""
    x, places = operands[0], torch.tensor(operands[1])
    if node.get("batch_dims", 0):
        raise node.unsupported("with batch_dims", "gather along one axis")
    gathered: torch.Tensor = x[tuple(places.unbind(-1))]
    return gathered


def _gather_elements(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, places, axis = operands[0], torch.tensor(operands[1]), node.get("axis", 0)
    return torch.gather(x, axis, places % x.shape[axis])


OPERATORS: dict[str, Operator] = {
    "CumSum": Operator(_cumulative_sum, static=(1,)),
    "ConvTranspose": Operator(_conv_transpose),
    "DFT": Operator(_fourier, static=(1, 2)),
    "Resize": Operator(_resize, static=(1, 2, 3)),
    "GatherND": Operator(_gather_points, static=(1,)),
    "GatherElements": Operator(_gather_elements, static=(1,)),
    "LpNormalization": Operator(_unit_norm),
    "MeanVarianceNormalization": Operator(_whole_norm),
}
