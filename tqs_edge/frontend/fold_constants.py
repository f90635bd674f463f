"""What depends on constants only is computed here; constants of one element become scalars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.composite import DENSE
from tqs_edge.frontend.relax_expr import array_of, composite_name, ints, op_name, shape_of

ELEMENTWISE = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    "tanh": np.tanh,
}
LAYOUT = ("reshape", "expand_dims", "squeeze", "permute_dims")


@tvm.transform.module_pass(opt_level=0, name="FoldConstants")
class FoldConstants:
    """Evaluates operations on constants in float32 and turns a division into a product.

    values: array by parameter path, as the attribute `constants` of main names its trailing
    parameters. Runs after FuseDense, so that weights and biases keep their paths.
    """

    def __init__(self, values: Mapping[str, np.ndarray]) -> None:
        self.values = values

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with inline constants for what was folded."""
        rewriter = _FoldConstants(mod, self.values)
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(mod["main"]))
        return rewriter.builder_.get()


@mutator
class _FoldConstants(PyExprMutator):
    def __init__(self, mod: tvm.IRModule, values: Mapping[str, np.ndarray]) -> None:
        super().__init__(mod)
        main = mod["main"]
        params = main.params[int(main.attrs["num_input"]) :]
        paths = [str(path) for path in main.attrs["constants"]]
        self.values = {param: values[path] for param, path in zip(params, paths, strict=True)}

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        shape = shape_of(call) if isinstance(call.ty, relax.TensorType) else ()
        call = self.visit_expr_post_order(call)
        name = op_name(call)
        arrays: list[Any] = [self.value_of(arg) for arg in call.args]
        if name == "full" and arrays[1] is not None:
            return _const(np.full(shape, arrays[1], np.float32))
        if composite_name(self.builder_.get(), call) == DENSE and arrays[0] is not None:
            x, weight, *bias = arrays
            return _const(x @ weight.T + (bias[0] if bias else 0))
        if name in ELEMENTWISE and all(array is not None for array in arrays):
            return _const(ELEMENTWISE[name](*arrays))
        if name in LAYOUT and arrays[0] is not None:
            value = arrays[0].transpose(_axes(call)) if name == "permute_dims" else arrays[0]
            return _const(value.reshape(shape))
        if name == "strided_slice" and arrays[0] is not None:
            return _const(arrays[0][_slices(call, arrays[0].ndim)])
        if name == "divide" and arrays[1] is not None and np.all(arrays[1] != 0):
            by = 1 / arrays[1]
            factor = _scalar(by) if shape_of(call.args[0]) == shape else by
            return relax.op.multiply(call.args[0], _const(factor))
        if name in ELEMENTWISE and any(a is not None and a.size == 1 for a in arrays):
            tensors = [arg for arg, a in zip(call.args, arrays, strict=True) if a is None]
            # The result's axes must not come of the constant.
            if all(shape_of(tensor) == shape for tensor in tensors):
                args = [
                    arg if array is None or array.size != 1 else _const(_scalar(array))
                    for arg, array in zip(call.args, arrays, strict=True)
                ]
                return relax.Call(call.op, args, call.attrs)
        return call

    def value_of(self, expr: relax.Expr) -> np.ndarray | None:
        """The array that an inline constant or a constant parameter stands for, or None."""
        while isinstance(expr, relax.Var):
            if expr in self.values:
                return self.values[expr]
            expr = self.lookup_binding(expr)
        return array_of(expr)


def _axes(permute: relax.Call) -> tuple[int, ...] | None:
    return None if permute.attrs.axes is None else tuple(int(axis) for axis in permute.attrs.axes)


def _slices(call: relax.Call, rank: int) -> tuple[slice, ...]:
    axes, begins, ends = (ints(argument) for argument in call.args[1:4])
    strides = ints(call.args[4]) if len(call.args) > 4 else (1,) * len(axes)
    slices = [slice(None)] * rank
    for axis, *bounds in zip(axes, begins, ends, strides, strict=True):
        slices[axis] = slice(*bounds)
    return tuple(slices)


def _scalar(array: np.ndarray) -> np.ndarray:
    return array.reshape(()) if array.size == 1 else array


def _const(array: np.ndarray) -> relax.Expr:
    return relax.const(np.asarray(array, np.float32, order="C"), "float32")
