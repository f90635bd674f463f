"""matmul(x, permute_dims(weight)) [+ bias] -> a private function with Composite "tqs.dense"."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.composite import dense_function
from tqs_edge.frontend.relax_expr import (
    binding_of,
    ints,
    op_name,
    shape_of,
    use_counts,
)


@tvm.transform.module_pass(opt_level=0, name="FuseDense")
class FuseDense:
    """Makes one composite of each product with a transposed weight and the bias added to it.

    A weight or bias is a trailing parameter of main (attribute `num_input`). A bias has shape
    (rows,) and is fused only when nothing else reads the product.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with dense composites and without what they replace."""
        for rewriter_of in (_FuseBiased, _FuseBare):
            rewriter = rewriter_of(mod)
            main = rewriter.visit_expr(mod["main"])
            rewriter.builder_.update_func(mod.get_global_var("main"), main)
            mod = relax.transform.DeadCodeElimination()(rewriter.builder_.get())
        return mod


class _Fuse(PyExprMutator):
    """What both rewrites need: the constants, the use counts, and how a dense call is spelled."""

    def __init__(self, mod: tvm.IRModule) -> None:
        super().__init__(mod)
        main = mod["main"]
        self.constants = set(main.params[int(main.attrs["num_input"]) :])
        self.uses = use_counts(main)

    def operands(self, expr: relax.Expr) -> tuple[relax.Expr, relax.Var] | None:
        """(x, W) when `expr` is the product of x with the transpose of a constant W, else None."""
        product = binding_of(self, expr) if isinstance(expr, relax.Var) else expr
        if op_name(product) != "matmul":
            return None
        transpose = binding_of(self, product.args[1])
        if op_name(transpose) != "permute_dims" or transpose.args[0] not in self.constants:
            return None
        axes = transpose.attrs.axes
        swapped = axes is None or ints(axes) == (1, 0)
        return (product.args[0], transpose.args[0]) if swapped else None

    def dense(self, *args: relax.Expr) -> relax.Call:
        """A call of the composite for these arguments; equal functions are shared."""
        function = self.builder_.add_func(dense_function([arg.ty for arg in args]), "dense")
        return relax.Call(function, list(args))


@mutator
class _FuseBiased(_Fuse):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        reads = [self.uses[arg] for arg in call.args]
        call = self.visit_expr_post_order(call)
        if op_name(call) != "add":
            return call
        for product, bias in ((0, 1), (1, 0)):
            operands, b = self.operands(call.args[product]), call.args[bias]
            if operands is None or b not in self.constants or reads[product] != 1:
                continue
            if shape_of(b) == shape_of(operands[1])[:1]:
                return self.dense(*operands, b)
        return call


@mutator
class _FuseBare(_Fuse):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        operands = self.operands(call)
        return call if operands is None else self.dense(*operands)
