"""Chains of +, -, *, / with scalars -> one private function with Composite "tqs.affine"."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.composite import AFFINE, affine_constants, affine_function
from tqs_edge.frontend.relax_expr import binding_of, composite_name, op_name, scalar_of, shape_of


@tvm.transform.module_pass(opt_level=0, name="FoldAffine")
class FoldAffine:
    """Folds a chain of scalar operations into x * scale + offset, and into nothing when that is x.

    Only constants whose entries are all equal and that do not enlarge x by broadcasting count.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with affine composites; inner links are left to dead code elimination."""
        rewriter = _FoldAffine(mod)
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(mod["main"]))
        return rewriter.builder_.get()


@mutator
class _FoldAffine(PyExprMutator):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        link = _affine_link(call)
        if link is None:
            return call
        x, scale, offset = link
        inner = binding_of(self, x)
        mod = self.builder_.get()
        if composite_name(mod, inner) == AFFINE:
            inner_scale, inner_offset = affine_constants(mod[inner.op])
            x, scale, offset = inner.args[0], scale * inner_scale, scale * inner_offset + offset
        if (scale, offset) == (1.0, 0.0):
            return x
        function = self.builder_.add_func(affine_function(x.ty, scale, offset), "affine")
        return relax.Call(function, [x])


def _affine_link(call: relax.Call) -> tuple[relax.Expr, float, float] | None:
    """(x, scale, offset) when `call` is x * scale + offset for scalars, else None."""
    name = op_name(call)
    if name == "negative":
        return call.args[0], -1.0, 0.0
    if name not in ("add", "subtract", "multiply", "divide"):
        return None
    left, right = call.args
    constant, constant_left = scalar_of(right), False
    if constant is None:
        constant, constant_left = scalar_of(left), True
    x, c = (right, left) if constant_left else (left, right)
    if constant is None or scalar_of(x) is not None or not _keeps_shape(x, c):
        return None
    if name == "add":
        return x, 1.0, constant
    if name == "subtract":
        return (x, -1.0, constant) if constant_left else (x, 1.0, -constant)
    if name == "multiply":
        return x, constant, 0.0
    return None if constant_left or constant == 0 else (x, 1.0 / constant, 0.0)


def _keeps_shape(x: relax.Expr, constant: relax.Expr) -> bool:
    """Whether broadcasting with the constant leaves the shape of x."""
    shape, other = shape_of(x), shape_of(constant)
    return len(other) <= len(shape) and all(
        extent in (1, own) for extent, own in zip(reversed(other), reversed(shape), strict=False)
    )
