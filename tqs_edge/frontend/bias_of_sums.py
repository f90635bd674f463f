"""(dense(x, W) + b) + bias -> dense(x, W, bias) + b."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.composite import DENSE, dense_function
from tqs_edge.frontend.relax_expr import (
    binding_of,
    composite_name,
    op_name,
    shape_of,
    use_counts,
)


@tvm.transform.module_pass(opt_level=0, name="BiasOfSums")
class BiasOfSums:
    """Moves a constant that is added to a sum into a dense product of the sum.

    So do cells of W h + V x + b become sums of two dense layers: the bias joins an exact
    accumulator instead of a rounded sum, and costs nothing. Sum and product are read only there;
    the product has no bias of its own yet.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with constants moved; what they leave unread is left to dead code
        elimination."""
        rewriter = _BiasOfSums(mod)
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(mod["main"]))
        return rewriter.builder_.get()


@mutator
class _BiasOfSums(PyExprMutator):
    def __init__(self, mod: tvm.IRModule) -> None:
        super().__init__(mod)
        main = mod["main"]
        self.constants = set(main.params[int(main.attrs["num_input"]) :])
        self.uses = use_counts(main)

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        if op_name(call) != "add":
            return call
        for total, bias in (call.args, reversed(call.args)):
            if bias in self.constants and self.uses[total] == 1:
                moved = self.with_bias(binding_of(self, total), bias)
                if moved is not None:
                    return moved
        return call

    def with_bias(self, total: relax.Expr, bias: relax.Var) -> relax.Expr | None:
        """The sum `total` of a bare dense product and another term, of which the product has taken
        in `bias`; None where there is no such product."""
        if op_name(total) != "add":
            return None
        for product, other in (total.args, reversed(total.args)):
            dense = binding_of(self, product)
            bare = composite_name(self.builder_.get(), dense) == DENSE and len(dense.args) == 2
            if not bare or self.uses[product] != 1 or shape_of(product) != shape_of(total):
                continue
            if shape_of(bias) == shape_of(dense.args[1])[:1]:
                args = [*dense.args, bias]
                function = self.builder_.add_func(dense_function([a.ty for a in args]), "dense")
                biased = self.builder_.emit(relax.Call(function, args))
                return relax.op.add(biased, other)
        return None
