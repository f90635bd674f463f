"""Private functions with a `Composite` attribute: the canonical spelling of one graph node."""

from __future__ import annotations

from collections.abc import Sequence

from tvm import relax

DENSE = "tqs.dense"
AFFINE = "tqs.affine"
PUSH = "tqs.push"


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


def _private(builder: relax.BlockBuilder, composite: str) -> relax.Function:
    function = builder.finalize()["main"]
    return function.without_attr("global_symbol").with_attr("Composite", composite)
