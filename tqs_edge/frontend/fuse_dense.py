"""matmul(x, permute_dims(weight)) [+ bias] -> a call of a private function, Composite "tqs.dense"."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.composite import DENSE, dense_function
from tqs_edge.frontend.relax_expr import composite_name, ints, op_name, shape_of, use_counts


@tvm.transform.module_pass(opt_level=0, name="FuseDense")
class FuseDense:
    """Makes one composite of each product with a transposed weight and the bias added to it.

    A weight or bias is a trailing parameter of main (attribute `num_input`). A bias has shape
    (rows,) and is fused only when nothing else reads the product.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with dense composites; replaced bindings are left to dead code elimination."""
        rewriter = _FuseDense(mod)
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(mod["main"]))
        return rewriter.builder_.get()


@mutator
class _FuseDense(PyExprMutator):
    def __init__(self, mod: tvm.IRModule) -> None:
        super().__init__(mod)
        main = mod["main"]
        self.constants = set(main.params[int(main.attrs["num_input"]) :])
        self.uses = use_counts(main)

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        reads = [self.uses[arg] for arg in call.args]
        call = self.visit_expr_post_order(call)
        if op_name(call) == "matmul":
            weight = self.transposed_weight(call.args[1])
            return call if weight is None else self.dense(call.args[0], weight)
        if op_name(call) == "add":
            return self.with_bias(call, reads)
        return call

    def transposed_weight(self, expr: relax.Expr) -> relax.Var | None:
        """The weight W when `expr` is W^T, else None."""
        value = self.lookup_binding(expr) if isinstance(expr, relax.Var) else None
        if op_name(value) != "permute_dims" or value.args[0] not in self.constants:
            return None
        axes = value.attrs.axes
        return value.args[0] if axes is None or ints(axes) == (1, 0) else None

    def with_bias(self, add: relax.Call, reads: list[int]) -> relax.Expr:
        """The dense call with its bias when `add` adds one to a dense product, else `add`."""
        for product, bias in ((0, 1), (1, 0)):
            expr, b = add.args[product], add.args[bias]
            value = self.lookup_binding(expr) if isinstance(expr, relax.Var) else None
            if composite_name(self.builder_.get(), value) != DENSE or len(value.args) != 2:
                continue
            rows = shape_of(value.args[1])[0]
            if b in self.constants and shape_of(b) == (rows,) and reads[product] == 1:
                return self.dense(*value.args, b)
        return add

    def dense(self, *args: relax.Expr) -> relax.Call:
        """A call of the composite for these arguments; equal functions are shared."""
        function = self.builder_.add_func(dense_function([arg.ty for arg in args]), "dense")
        return relax.Call(function, list(args))
