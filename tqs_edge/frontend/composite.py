"""Private functions with a `Composite` attribute: the canonical spelling of one graph node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tvm import relax

DENSE = "tqs.dense"
AFFINE = "tqs.affine"
PUSH = "tqs.push"
SELECT = "tqs.select"
UNFOLD = "tqs.unfold"
MOVING_SUM = "tqs.moving_sum"
NORMALIZE = "tqs.normalize"
DEVIATION = "tqs.deviation"
FUNCTION = "tqs.function."  # then a name of graph.functions


def dense_function(types: Sequence[relax.TensorType]) -> relax.Function:
    """dense(x, weight[, bias]) = x @ weight^T [+ bias] for argument types (x, weight[, bias])."""
    params = [relax.Var(name, ty) for name, ty in zip(("x", "weight", "bias"), types, strict=False)]
    builder = relax.BlockBuilder()
    with builder.function("main", params):
        with builder.dataflow():
            transposed = builder.emit(relax.op.permute_dims(params[1], [1, 0]))
            product = relax.op.matmul(params[0], transposed)
            if len(params) == 3:
                product = relax.op.add(builder.emit(product), params[2])
            output = builder.emit_output(product)
        builder.emit_func_output(output)
    return _private(builder, DENSE)


def affine_function(ty: relax.TensorType, scale: float, offset: float) -> relax.Function:
    """affine(x) = x * scale + offset, the two float32 constants inside the function."""
    x = relax.Var("x", ty)
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            scaled = builder.emit(relax.op.multiply(x, relax.const(scale, "float32")))
            output = builder.emit_output(relax.op.add(scaled, relax.const(offset, "float32")))
        builder.emit_func_output(output)
    return _private(builder, AFFINE)


def affine_constants(function: relax.Function) -> tuple[float, float]:
    """(scale, offset) of a function made by `affine_function`."""
    multiply, add = (binding.value for binding in function.body.blocks[0].bindings)
    return float(multiply.args[1].value.numpy()), float(add.args[1].value.numpy())


def push_function(state: relax.TensorType, row: relax.TensorType, axis: int) -> relax.Function:
    """push(state, row) = state without its oldest rows along `axis`, then row."""
    params = [relax.Var("state", state), relax.Var("row", row)]
    extent, new = int(state.shape[axis]), int(row.shape[axis])
    builder = relax.BlockBuilder()
    with builder.function("main", params):
        with builder.dataflow():
            older = builder.emit(relax.op.strided_slice(params[0], [axis], [new], [extent]))
            output = builder.emit_output(relax.op.concat([older, params[1]], axis))
        builder.emit_func_output(output)
    return _private(builder, PUSH)


def select_function(
    types: Sequence[relax.TensorType], threshold: float, strict: bool
) -> relax.Function:
    """select(x, a, b) = a where x > threshold (x >= threshold unless strict), b elsewhere."""
    params = [relax.Var(name, ty) for name, ty in zip("xab", types, strict=True)]
    compare = relax.op.greater if strict else relax.op.greater_equal
    builder = relax.BlockBuilder()
    with builder.function("main", params):
        with builder.dataflow():
            chosen = builder.emit(compare(params[0], _number(threshold)))
            output = builder.emit_output(relax.op.where(chosen, *params[1:]))
        builder.emit_func_output(output)
    function = _private(builder, SELECT)
    return function.with_attr("threshold", threshold).with_attr("strict", int(strict))


def unfold_function(
    ty: relax.TensorType, kernel: int, dilation: int, stride: int
) -> relax.Function:
    """unfold(x): rows of the time axis side by side, as Op.UNFOLD; the sizes are attributes."""
    *_, length, _channels = (int(extent) for extent in ty.shape.values)
    axis = len(ty.shape.values) - 2
    reach = (length - (kernel - 1) * dilation - 1) // stride * stride + 1

    def body(builder: relax.BlockBuilder, x: relax.Var) -> relax.Expr:
        begins = [j * dilation for j in range(kernel)]
        rows = [
            builder.emit(relax.op.strided_slice(x, [axis], [b], [b + reach], [stride]))
            for b in begins
        ]
        return relax.op.concat(rows, axis=axis + 1)

    sizes = {"kernel": kernel, "dilation": dilation, "stride": stride}
    return _of_one(ty, UNFOLD, body, sizes)


def moving_sum_function(
    ty: relax.TensorType, axis: int, kernel: int, before: int, after: int, gain: float
) -> relax.Function:
    """moving_sum(x): gain times the sums of `kernel` neighbours, as Op.MOVING_SUM."""
    place = len(ty.shape.values) + axis
    extent = int(ty.shape.values[place])
    count = extent + before + after - kernel + 1

    def body(builder: relax.BlockBuilder, x: relax.Var) -> relax.Expr:
        windows = np.arange(count)[:, None] + np.arange(kernel) - before
        terms = builder.emit(relax.op.take(x, relax.const(windows), place, mode="clip"))
        return relax.op.multiply(builder.emit(relax.op.sum(terms, place + 1)), _number(gain))

    attrs = {"axis": axis, "kernel": kernel, "before": before, "after": after, "gain": gain}
    return _of_one(ty, MOVING_SUM, body, attrs)


def normalize_function(ty: relax.TensorType, eps: float) -> relax.Function:
    """normalize(x) = (x - mean) / sqrt(variance + eps) over the last axis; eps an attribute."""

    def body(builder: relax.BlockBuilder, x: relax.Var) -> relax.Expr:
        centred, root = _centred_and_deviation(builder, x, eps)
        return relax.op.divide(centred, builder.emit(root))

    return _of_one(ty, NORMALIZE, body, {"eps": eps})


def deviation_function(ty: relax.TensorType, eps: float) -> relax.Function:
    """deviation(x) = sqrt(variance + eps) over the last axis, extent 1 then; eps an attribute."""

    def body(builder: relax.BlockBuilder, x: relax.Var) -> relax.Expr:
        return _centred_and_deviation(builder, x, eps)[1]

    return _of_one(ty, DEVIATION, body, {"eps": eps})


def _centred_and_deviation(
    builder: relax.BlockBuilder, x: relax.Var, eps: float
) -> tuple[relax.Expr, relax.Expr]:
    mean = builder.emit(relax.op.mean(x, -1, keepdims=True))
    centred = builder.emit(relax.op.subtract(x, mean))
    squares = builder.emit(relax.op.multiply(centred, centred))
    variance = builder.emit(relax.op.mean(squares, -1, keepdims=True))
    return centred, relax.op.sqrt(builder.emit(relax.op.add(variance, _number(eps))))


def scalar_function(ty: relax.TensorType, name: str) -> relax.Function:
    """The function `name` of graph.functions, elementwise."""
    return _of_one(ty, f"{FUNCTION}{name}", lambda builder, x: BODIES[name](builder.emit, x), {})


Emit = Callable[[relax.Expr], relax.Var]


def _softplus(emit: Emit, x: relax.Expr) -> relax.Expr:
    """max(x, 0) + log(1 + exp(-|x|)), which does not overflow."""
    small = emit(relax.op.exp(emit(relax.op.negative(emit(relax.op.abs(x))))))
    rest = emit(relax.op.log(emit(relax.op.add(small, _number(1.0)))))
    return relax.op.add(emit(relax.op.nn.relu(x)), rest)


def _elu(emit: Emit, x: relax.Expr) -> relax.Expr:
    below = emit(relax.op.exp(emit(relax.op.minimum(x, _number(0.0)))))
    return relax.op.add(emit(relax.op.nn.relu(x)), emit(relax.op.subtract(below, _number(1.0))))


def _gelu(emit: Emit, x: relax.Expr) -> relax.Expr:
    inner = emit(relax.op.erf(emit(relax.op.multiply(x, _number(math.sqrt(0.5))))))
    half = emit(relax.op.multiply(x, _number(0.5)))
    return relax.op.multiply(half, emit(relax.op.add(inner, _number(1.0))))


def _gelu_tanh(emit: Emit, x: relax.Expr) -> relax.Expr:
    square = emit(relax.op.multiply(x, x))
    scaled = emit(relax.op.multiply(square, _number(0.044715)))
    inner = emit(relax.op.multiply(emit(relax.op.add(scaled, _number(1.0))), x))
    inner = emit(relax.op.multiply(inner, _number(math.sqrt(2 / math.pi))))
    half = emit(relax.op.multiply(x, _number(0.5)))
    return relax.op.multiply(half, emit(relax.op.add(emit(relax.op.tanh(inner)), _number(1.0))))


BODIES: Mapping[str, Callable[[Emit, relax.Expr], relax.Expr]] = {
    "exp": lambda _emit, x: relax.op.exp(x),
    "log": lambda _emit, x: relax.op.log(x),
    "sqrt": lambda _emit, x: relax.op.sqrt(x),
    "rsqrt": lambda emit, x: relax.op.divide(_number(1.0), emit(relax.op.sqrt(x))),
    "reciprocal": lambda _emit, x: relax.op.divide(_number(1.0), x),
    "sin": lambda _emit, x: relax.op.sin(x),
    "cos": lambda _emit, x: relax.op.cos(x),
    "atan": lambda _emit, x: relax.op.atan(x),
    "asin": lambda emit, x: relax.op.asin(emit(relax.op.clip(x, -1.0, 1.0))),
    "sinh": lambda _emit, x: relax.op.sinh(x),
    "cosh": lambda _emit, x: relax.op.cosh(x),
    "asinh": lambda _emit, x: relax.op.asinh(x),
    "abs": lambda _emit, x: relax.op.abs(x),
    "erf": lambda _emit, x: relax.op.erf(x),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda emit, x: relax.op.multiply(x, emit(relax.op.sigmoid(x))),
    "softplus": _softplus,
    "elu": _elu,
    "mish": lambda emit, x: relax.op.multiply(x, emit(relax.op.tanh(emit(_softplus(emit, x))))),
}


def _of_one(
    ty: relax.TensorType,
    composite: str,
    body: Callable[[relax.BlockBuilder, relax.Var], relax.Expr],
    attrs: Mapping[str, Any],
) -> relax.Function:
    x = relax.Var("x", ty)
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            output = builder.emit_output(body(builder, x))
        builder.emit_func_output(output)
    function = _private(builder, composite)
    for key, value in attrs.items():
        function = function.with_attr(key, value)
    return function


def _number(value: float) -> relax.Expr:
    return relax.const(value, "float32")


def _private(builder: relax.BlockBuilder, composite: str) -> relax.Function:
    function = builder.finalize()["main"]
    return function.without_attr("global_symbol").with_attr("Composite", composite)
