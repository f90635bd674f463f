"""Nonlinear nodes of the float graph as integer operations, with their proofs and error bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from tqs_edge.errors import InputError, OverflowUnproven
from tqs_edge.graph.functions import FUNCTIONS
from tqs_edge.graph.graph import Node, Op
from tqs_edge.integer.bound_ops import ExtremumOp
from tqs_edge.integer.constants import affine_op
from tqs_edge.integer.nonlinear_ops import (
    FUNCTION_OPS,
    DeviationOp,
    DivideOp,
    LogOp,
    MatmulOp,
    NormalizeOp,
    PowerOp,
    SoftmaxOp,
    TableOp,
    WaveOp,
)
from tqs_edge.integer.program import IntegerOp, QTensor
from tqs_edge.quant import normalize, power, softmax, waves
from tqs_edge.quant.fixed_point import MAX_SHIFT, MIN_SHIFT, to_multiplier_shift
from tqs_edge.quant.knots import HIGH, Real, fit_knots

# Operations that this file builds.
NONLINEAR = (Op.FUNCTION, Op.DIV, Op.SOFTMAX, Op.NORMALIZE, Op.DEVIATION, Op.MATMUL)
Q15 = 2.0**-15


@dataclass
class Built:
    """Operations in order and the tensors that they make besides the node's own.

    spare, opposite: names of such tensors
    """

    spare: str
    opposite: str
    tensors: list[QTensor] = field(default_factory=list)
    ops: list[IntegerOp] = field(default_factory=list)


def build_nonlinear(
    node: Node,
    inputs: tuple[QTensor, ...],
    y: QTensor,
    spare: str | None = None,
    opposite: str | None = None,
) -> Built:
    """The operations that compute `node` from 16-bit `inputs` into `y`.

    spare, opposite: names for tensors between, where they are needed; by default that of y and
    "_p" or "_n".
    Raises OverflowUnproven where the scales leave no multiplier, InputError for shapes that no
    kernel takes.
    """
    built = Built(spare or f"{y.name}_p", opposite or f"{y.name}_n")
    match node.op:
        case Op.FUNCTION:
            _function(node, inputs[0], y, built)
        case Op.DIV:
            _divide(inputs[0], inputs[1], y, built)
        case Op.SOFTMAX:
            built.ops.append(softmax_op(inputs[0], y))
        case Op.NORMALIZE:
            _normalize(inputs[0], float(node.attrs["eps"]), y, built)
        case Op.DEVIATION:
            _deviation(inputs[0], float(node.attrs["eps"]), y, built)
        case Op.MATMUL:
            _matmul(inputs[0], inputs[1], y, built)
        case _:
            raise AssertionError(node.op)
    return built


def _at_least(y: QTensor, finest: float, built: Built) -> QTensor:
    """`y`, or a coarser tensor that is rescaled to `y` once the node is computed."""
    if y.scale >= finest:
        return y
    coarse = replace(y, name=built.spare, scale=finest)
    built.tensors.append(coarse)
    return coarse


def _rescale(made: QTensor, y: QTensor, built: Built) -> None:
    if made is not y:
        built.ops.append(affine_op((made,), (1.0,), 0.0, y))


def _function(node: Node, x: QTensor, y: QTensor, built: Built) -> None:
    function = str(node.attrs["function"])
    kind = FUNCTION_OPS.get(function, TableOp)
    if function == "abs":
        _magnitude(x, y, built)
    elif kind is PowerOp:
        _power(function, x, y, built)
    elif kind is LogOp:
        # Beyond an output LSB of 2^-16, nothing of the logarithm's 23 fraction bits is lost.
        made = _at_least(y, 2.0**-16, built)
        built.ops.append(log_op(x, made))
        _rescale(made, y, built)
    elif kind is WaveOp and x.scale * HIGH > math.pi:
        table, turn = waves.wave_table(function, y.scale), waves.turn_of(x.scale)
        built.ops.append(WaveOp(y.name, x.name, function, table, turn))
    else:
        built.ops.append(table_op(function, x, y))


def _magnitude(x: QTensor, y: QTensor, built: Built) -> None:
    """The larger of x and -x: exact, where a table would round the corner at zero off."""
    made = y
    if (x.bits, x.scale) != (y.bits, y.scale):
        made = replace(x, name=built.spare)
        built.tensors.append(made)
    opposite = replace(x, name=built.opposite)
    built.tensors.append(opposite)
    built.ops += [
        affine_op((x,), (-1.0,), 0.0, opposite),
        ExtremumOp(made.name, (x.name, opposite.name), "maximum"),
    ]
    _rescale(made, y, built)


def table_op(function: str, x: QTensor, y: QTensor) -> TableOp:
    """The table of a scalar function between the scales of x and y."""

    def real(values: Real) -> Real:
        import torch

        result: Real = FUNCTIONS[function].apply(torch.from_numpy(values)).numpy()
        return result

    return TableOp(y.name, x.name, function, fit_knots(real, x.scale, y.scale))


def _power(function: str, x: QTensor, y: QTensor, built: Built) -> None:
    exponent = {"sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0}[function]
    shifts = {
        "sqrt": power.ROOT_SHIFTS,
        "rsqrt": power.INVERSE_ROOT_SHIFTS,
        "reciprocal": power.DIVIDE_SHIFTS,
    }[function]
    unit = x.scale**exponent / (power.ONE if function == "reciprocal" else 1)
    made = _at_least(y, _finest(unit, shifts), built)
    multiplier, shift = power.normal_multiplier(unit / made.scale, shifts, y.name)
    built.ops.append(PowerOp(made.name, x.name, function, multiplier, shift))
    _rescale(made, y, built)


def _finest(unit: float, shifts: tuple[int, int]) -> float:
    """The finest output scale for which unit / scale has a multiplier."""
    return unit * 1.001 * 2.0 ** shifts[0] / power.LARGEST_MULTIPLIER


def log_op(x: QTensor, y: QTensor) -> LogOp:
    """log(x) = log2(integer) * ln(2) + ln(scale)."""
    unit = math.log(2.0) / y.scale * 2.0**-power.LOG_FRACTION_BITS
    constant = math.log(x.scale) / y.scale
    for shift in range(MAX_SHIFT, MIN_SHIFT - 1, -1):
        multiplier = math.floor(math.ldexp(unit, shift) + 0.5)
        offset = math.floor(math.ldexp(constant, shift) + 0.5) + (1 << (shift - 1))
        reach = (16 << power.LOG_FRACTION_BITS) * multiplier + abs(offset)
        if multiplier <= power.LARGEST_MULTIPLIER and reach < 1 << 63:
            return LogOp(y.name, x.name, multiplier, offset, shift)
    raise OverflowUnproven(
        f"'{y.name}': log of a tensor of scale {x.scale:.3g} leaves 64 bits; rescale its input"
    )


def _divide(a: QTensor, b: QTensor, y: QTensor, built: Built) -> None:
    unit = a.scale / b.scale
    made = _at_least(y, _finest(unit, power.DIVIDE_SHIFTS), built)
    factor = unit / made.scale
    multiplier, shift = power.normal_multiplier(factor, power.DIVIDE_SHIFTS, y.name)
    built.ops.append(DivideOp(made.name, (a.name, b.name), multiplier, shift))
    _rescale(made, y, built)


def softmax_op(x: QTensor, y: QTensor) -> SoftmaxOp:
    """Softmax over rows of at most softmax.MAX_LENGTH elements; y has scale 2^-15."""
    length = x.shape[-1]
    if length > softmax.MAX_LENGTH:
        raise OverflowUnproven(
            f"'{y.name}': softmax over {length} elements; the sum of exponentials is exact enough "
            f"up to {softmax.MAX_LENGTH}"
        )
    if y.scale != Q15:
        raise InputError(f"'{y.name}': a softmax has scale 2^-15, not {y.scale:.3g}")
    per_unit = x.scale * math.log2(math.e) * (1 << softmax.POWER_BITS)
    for shift in range(MAX_SHIFT, MIN_SHIFT - 1, -1):
        multiplier = math.floor(math.ldexp(per_unit, shift - softmax.DISTANCE_SHIFT) + 0.5)
        if multiplier < 1 << 31:
            return SoftmaxOp(y.name, x.name, multiplier, shift)
    raise OverflowUnproven(
        f"'{y.name}': softmax of values with steps of {x.scale:.3g}; clamp them to +-5000 before it"
    )


def _epsilon(x: QTensor, eps: float, y: QTensor) -> int:
    """eps in units of n^2 input LSBs squared, at least 1, with the proof that the sum fits."""
    length = x.shape[-1]
    epsilon = max(1, math.floor(eps * (length / x.scale) ** 2 + 0.5))
    if length > normalize.MAX_LENGTH or (length * length << 30) + epsilon >= normalize.MAX_SPREAD:
        raise OverflowUnproven(
            f"'{y.name}': the variance of {length} elements and eps {eps:.3g} leave 62 bits; rows "
            f"of at most {normalize.MAX_LENGTH} elements fit, and an eps of at most "
            f"{(x.scale / length) ** 2 * 2.0**61:.3g}"
        )
    return epsilon


def _normalize(x: QTensor, eps: float, y: QTensor, built: Built) -> None:
    shifts = normalize.NORMALIZE_SHIFTS
    epsilon = _epsilon(x, eps, y)
    made = _at_least(y, _finest(1.0, shifts), built)
    multiplier, shift = power.normal_multiplier(1.0 / made.scale, shifts, y.name)
    built.ops.append(NormalizeOp(made.name, x.name, epsilon, multiplier, shift))
    _rescale(made, y, built)


def _deviation(x: QTensor, eps: float, y: QTensor, built: Built) -> None:
    length, epsilon = x.shape[-1], _epsilon(x, eps, y)
    widest = (length * length << 30) + epsilon
    shifts = (34 - (64 - widest.bit_length()) // 2, MAX_SHIFT)
    unit = x.scale / length
    made = _at_least(y, _finest(unit, shifts), built)
    multiplier, shift = power.normal_multiplier(unit / made.scale, shifts, y.name)
    built.ops.append(DeviationOp(made.name, x.name, epsilon, multiplier, shift))
    _rescale(made, y, built)


def _matmul(a: QTensor, b: QTensor, y: QTensor, built: Built) -> None:
    lead_a, lead_b = ([n for n in t.shape[:-2] if n > 1] for t in (a, b))
    if min(len(a.shape), len(b.shape)) < 2 or (lead_a and lead_b and lead_a != lead_b):
        raise InputError(
            f"'{y.name}': a product of shapes {a.shape} and {b.shape}; leading axes must be equal "
            "or all 1 in one of the two"
        )
    depth = a.shape[-1]
    bound = depth << (a.bits + b.bits - 2)
    made = _at_least(y, max(4, depth) * a.scale * b.scale, built)  # bound / depth < 2^31
    requant = to_multiplier_shift([a.scale * b.scale / made.scale], [bound])
    built.ops.append(MatmulOp(made.name, (a.name, b.name), requant.multipliers[0], requant.shift))
    _rescale(made, y, built)
