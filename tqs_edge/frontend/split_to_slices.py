"""split -> one strided_slice per part that is read."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.relax_expr import ints, op_name, shape_of


@tvm.transform.module_pass(opt_level=0, name="SplitToSlices")
class SplitToSlices:
    """Replaces every `split(x)[i]` by the slice of x that it denotes."""

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with slices; the splits themselves are left to dead code elimination."""
        rewriter = _SplitToSlices(mod)
        rewriter.builder_.update_func(mod.get_global_var("main"), rewriter.visit_expr(mod["main"]))
        return rewriter.builder_.get()


@mutator
class _SplitToSlices(PyExprMutator):
    def visit_tuple_getitem_(self, item: relax.TupleGetItem) -> relax.Expr:
        item = self.visit_expr_post_order(item)
        split = self.lookup_binding(item.tuple_value)
        if op_name(split) != "split":
            return item
        source = split.args[0]
        axis = int(split.attrs.axis) % len(shape_of(source))
        extents = [ints(field.shape)[axis] for field in item.tuple_value.ty.fields]
        begin = sum(extents[: item.index])
        return relax.op.strided_slice(source, [axis], [begin], [begin + extents[item.index]])
