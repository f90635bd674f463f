"""Vectors with extra axes of extent 1 are computed as rows (1, n), so that reshapes cancel."""

from __future__ import annotations

import math

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.composite import FUNCTION, scalar_function
from tqs_edge.frontend.relax_expr import array_of, composite_name, ints, op_name, shape_of

ELEMENTWISE = (
    *("add", "subtract", "multiply", "divide", "maximum", "minimum"),
    *("tanh", "sigmoid", "nn.relu", "negative"),
)


@tvm.transform.module_pass(opt_level=0, name="DropUnitAxes")
class DropUnitAxes:
    """Wraps elementwise operations and slices on vectors of other ranks in reshapes to (1, n).

    torch's recurrent layers carry a [1, 1, n] state; FoldLayout then removes the inner reshapes.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with row vectors; run FoldLayout afterwards."""
        main = mod["main"]
        rewriter = _DropUnitAxes(mod)
        rewriter.constants = set(main.params[int(main.attrs["num_input"]) :])
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(main))
        return rewriter.builder_.get()


@mutator
class _DropUnitAxes(PyExprMutator):
    constants: set[relax.Var]

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        tensor = isinstance(call.ty, relax.TensorType)
        shape = shape_of(call) if tensor else ()
        call = self.visit_expr_post_order(call)
        if not tensor or len(shape) == 2 or not _is_vector(shape):
            return call
        rows: relax.Expr
        function = composite_name(self.builder_.get(), call)
        if op_name(call) in ELEMENTWISE and all(self.can_be_row(arg) for arg in call.args):
            rows = relax.Call(call.op, [self.row(arg) for arg in call.args], call.attrs)
        elif function.startswith(FUNCTION):
            row = self.row(call.args[0])
            of_row = scalar_function(row.ty, function.removeprefix(FUNCTION))
            rows = relax.Call(self.builder_.add_func(of_row, "function"), [row])
        elif op_name(call) == "strided_slice" and _slices_a_vector(call):
            begin, end = ints(call.args[2]), ints(call.args[3])
            rows = relax.op.strided_slice(self.row(call.args[0]), [1], begin, end)
        else:
            return call
        return relax.op.reshape(self.builder_.emit(rows), shape)

    def can_be_row(self, expr: relax.Expr) -> bool:
        """Whether `expr` broadcasts the same way once it is a row."""
        if expr in self.constants or array_of(expr) is not None:
            return len(shape_of(expr)) <= 1
        return _is_vector(shape_of(expr))

    def row(self, expr: relax.Expr) -> relax.Expr:
        """`expr` in shape (1, n); constants broadcast as they are."""
        if expr in self.constants or array_of(expr) is not None:
            return expr
        return self.builder_.emit(relax.op.reshape(expr, (1, math.prod(shape_of(expr)))))


def _is_vector(shape: tuple[int, ...]) -> bool:
    return sum(extent != 1 for extent in shape) <= 1


def _slices_a_vector(call: relax.Call) -> bool:
    source, axes = shape_of(call.args[0]), ints(call.args[1])
    strides = ints(call.args[4]) if len(call.args) > 4 else (1,)
    return _is_vector(source) and len(axes) == 1 and source[axes[0]] != 1 and strides == (1,)
