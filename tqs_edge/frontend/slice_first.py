"""Slices of a sum -> the sum of slices."""

from __future__ import annotations

from collections import Counter

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.relax_expr import op_name, shape_of, use_counts

OPERATORS = {
    "add": relax.op.add,
    "subtract": relax.op.subtract,
    "multiply": relax.op.multiply,
}


@tvm.transform.module_pass(opt_level=0, name="SliceFirst")
class SliceFirst:
    """Moves slices before the elementwise operation of two tensors that nothing else reads.

    Gates that are summed together and then split become sums of their own: each has its own range,
    and joins the loop of what is computed from it. Operands are what the step computes, of the
    result's shape.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with slices moved; what they leave unread is left to dead code elimination."""
        rewriter = _SliceFirst(mod, _only_sliced(mod["main"]))
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(mod["main"]))
        return rewriter.builder_.get()


def _only_sliced(function: relax.Function) -> set[relax.Var]:
    """The variables that are read by slices alone."""
    slices: Counter[relax.Var] = Counter()
    for binding in (b for block in function.body.blocks for b in block.bindings):
        if op_name(binding.value) == "strided_slice":
            slices[binding.value.args[0]] += 1
    uses = use_counts(function)
    return {var for var, count in slices.items() if uses[var] == count}


@mutator
class _SliceFirst(PyExprMutator):
    def __init__(self, mod: tvm.IRModule, only_sliced: set[relax.Var]) -> None:
        super().__init__(mod)
        self.only_sliced = only_sliced

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        sliced = call.args[0] in self.only_sliced
        call = self.visit_expr_post_order(call)
        if op_name(call) != "strided_slice" or not sliced:
            return call
        source = self.lookup_binding(call.args[0])
        operator = OPERATORS.get(op_name(source))
        if operator is None or not all(self._computed(x, source) for x in source.args):
            return call
        parts = [self.builder_.emit(relax.op.strided_slice(x, *call.args[1:])) for x in source.args]
        return operator(*parts)

    def _computed(self, operand: relax.Expr, result: relax.Call) -> bool:
        """Whether the step computes the operand, in the result's shape."""
        bound = isinstance(operand, relax.Var) and self.lookup_binding(operand) is not None
        return bound and shape_of(operand) == shape_of(result)
