"""expand_dims, squeeze, no-op permutes, single takes, whole slices -> reshape or nothing."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.relax_expr import array_of, ints, op_name, shape_of

RESHAPES = ("reshape", "expand_dims", "squeeze", "flatten")


@tvm.transform.module_pass(opt_level=0, name="FoldLayout")
class FoldLayout:
    """Leaves reshape, strided_slice and concat as the only layout operations that can be left.

    What keeps the row-major order of the values becomes a reshape; a reshape of a reshape becomes
    one; what keeps the shape as well disappears. `take` of one index becomes slice and reshape.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with the fewest layout operations; run CanonicalizeBindings afterwards."""
        rewriter = _FoldLayout(mod)
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(mod["main"]))
        return rewriter.builder_.get()


@mutator
class _FoldLayout(PyExprMutator):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        shape = shape_of(call) if op_name(call) else ()
        call = self.visit_expr_post_order(call)
        name = op_name(call)
        if name in RESHAPES or (name == "permute_dims" and _keeps_order(call)):
            return self.reshaped(call.args[0], shape)
        if name == "strided_slice" and shape == shape_of(call.args[0]):
            return call.args[0]
        if name == "concat" and len(_parts(call)) == 1:
            return _parts(call)[0]
        if name == "take":
            return self.taken(call, shape)
        return call

    def reshaped(self, source: relax.Expr, shape: tuple[int, ...]) -> relax.Expr:
        """`source` in `shape`, past any reshape that made `source`."""
        value = source
        while op_name(value) == "reshape" or isinstance(value, relax.Var):
            source = value.args[0] if op_name(value) == "reshape" else value
            value = self.lookup_binding(source)
        return source if shape_of(source) == shape else relax.op.reshape(source, shape)

    def taken(self, take: relax.Call, shape: tuple[int, ...]) -> relax.Expr:
        """take(x, i, axis) of one constant index i >= 0 as a slice without the axis."""
        source, index = take.args[0], array_of(take.args[1])
        if index is None or index.size != 1 or take.attrs.axis is None or int(index) < 0:
            return take
        axis, begin = int(take.attrs.axis) % len(shape_of(source)), int(index)
        if shape_of(source)[axis] != 1:
            source = self.builder_.emit(
                relax.op.strided_slice(source, [axis], [begin], [begin + 1])
            )
        return self.reshaped(source, shape)


def _keeps_order(permute: relax.Call) -> bool:
    """Whether the permutation moves axes of extent 1 only."""
    shape = shape_of(permute.args[0])
    axes = permute.attrs.axes
    order = tuple(reversed(range(len(shape)))) if axes is None else ints(axes)
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved)


def _parts(concat: relax.Call) -> list[relax.Expr]:
    parts = concat.args[0]
    return list(parts.fields) if isinstance(parts, relax.Tuple) else [parts] * 2
