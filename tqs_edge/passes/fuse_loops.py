"""Elementwise chains become one loop each, and every intermediate of a chain one scalar.

relax.FuseOps groups the chains, relax.FuseTIR joins their bodies; the schedule below then moves
every producer into the loop of the last operation. Each value is computed once, also where two
consumers read it.
"""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relax, s_tir, te, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.passes.integer_ops import ELEMENTWISE, INJECTIVE, OPAQUE

ROOT = "tqs.root"  # not an identifier, so no tensor is called that


@tvm.transform.module_pass(opt_level=0, name="FuseElementwise")
class FuseElementwise:
    """Groups elementwise calls of equal extent, with the slices they read, into fused functions."""

    def transform_module(
        self, module: tvm.IRModule, _context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """The module after FuseOps and FuseTIR; dense kernels and copies are left as they are."""
        sequence = tvm.ir.transform.Sequential(
            [
                relax.transform.FuseOps(),
                relax.transform.FuseTIR(),
                relax.transform.DeadCodeElimination(),
            ]
        )
        return sequence(_with_views_before_slices(module))


@tvm.transform.module_pass(opt_level=0, name="FuseLoops")
class FuseLoops:
    """Schedules every elementwise PrimFunc as a single loop."""

    def transform_module(
        self, module: tvm.IRModule, _context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """The module with scheduled functions; extern calls and copy loops are left as they are."""
        functions = {
            gvar: one_loop(func) if isinstance(func, tirx.PrimFunc) else func
            for gvar, func in module.functions_items()
        }
        return tvm.IRModule(functions)


@mutator
class _ViewsBeforeSlices(PyExprMutator):
    """Lets slices read an opaque view of what an elementwise function makes.

    Fused with the slice, such a value would be computed once per loop of another extent. The view
    takes no code and ends the chain that makes the value; the slice joins the loops that read it.
    """

    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        self.functions = dict(module.functions_items())
        self.views: dict[relax.Var, relax.Var] = {}

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        if not is_call_tir(call) or self._pattern_of(call) != INJECTIVE:
            return call
        x, *rest = call.args[1]
        made = self.lookup_binding(x) if isinstance(x, relax.Var) else None
        if made is None or not is_call_tir(made) or self._pattern_of(made) != ELEMENTWISE:
            return call
        return relax.call_tir(call.args[0], relax.Tuple([self._view(x), *rest]), call.ty_args[0])

    def _pattern_of(self, call: relax.Call) -> int:
        known = call.args[0] in self.functions  # what is added here is opaque
        return _pattern(self.functions[call.args[0]]) if known else OPAQUE

    def _view(self, x: relax.Var) -> relax.Var:
        if x not in self.views:
            func = view_of(x.name, [int(n) for n in x.ty.shape.values], str(x.ty.dtype))
            gvar = self.builder_.add_func(func.without_attr("global_symbol"), "view")
            self.views[x] = self.builder_.emit(relax.call_tir(gvar, relax.Tuple([x]), x.ty))
        return self.views[x]


def _with_views_before_slices(module: tvm.IRModule) -> tvm.IRModule:
    views = _ViewsBeforeSlices(module)
    views.builder_.update_func(module.get_global_var("main"), views.visit_expr(module["main"]))
    return views.builder_.finalize()


def view_of(name: str, shape: Sequence[int], dtype: str) -> tirx.PrimFunc:
    """The elements of a tensor in their order; "tqs.view" says that C needs no copy."""
    x = te.placeholder(shape, dtype, name=name)
    y = te.compute(shape, lambda *i: x(*i), name=f"{name}_view")
    marks = {"tqs.tensor": y.op.name, "op_pattern": OPAQUE, "tqs.view": True, "tirx.noalias": True}
    return te.create_prim_func([x, y]).with_attrs(marks)


def is_call_tir(expr: relax.Expr) -> bool:
    """Whether the expression is relax.call_tir(function, arguments)."""
    return isinstance(expr, relax.Call) and expr.op == tvm.ir.Op.get("relax.call_tir")


def _pattern(func: tvm.ir.BaseFunc) -> int:
    return int(func.attrs["op_pattern"]) if func.attrs and "op_pattern" in func.attrs else OPAQUE


def one_loop(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with its blocks in one loop over the output, intermediates in local scalars.

    Kernel calls and copies that no chain has taken in are returned unchanged.
    """
    if _pattern(func) == OPAQUE and "op_pattern" in func.attrs:
        return func
    schedule = s_tir.Schedule(tvm.IRModule({"main": _with_root_apart(func)}))
    # Copies first: a slice of a slice passes on elements of an array longer than the output.
    for block in schedule.get_child_blocks(schedule.get_sblock(ROOT))[:-1]:
        if _is_copy(schedule.get(block)):
            schedule.compute_inline(block)
    *producers, last = schedule.get_child_blocks(schedule.get_sblock(ROOT))
    loops = {block: schedule.get_loops(block) for block in (*producers, last)}
    assert len({_extent(schedule, own) for own in loops.values()}) == 1
    fused = schedule.fuse(*loops[last])
    for block in reversed(producers):
        schedule.set_scope(block, 0, "local")
        schedule.compute_at(block, fused)
    return schedule.mod["main"].with_attr("tqs.tensor", schedule.get(last).name_hint)


def _with_root_apart(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with the block around its loops called ROOT: a tensor may have TVM's name for it."""
    outer = func.body.block
    block = s_tir.SBlock(
        *(outer.iter_vars, outer.reads, outer.writes, ROOT, outer.body, outer.init),
        *(outer.alloc_buffers, outer.match_buffers, outer.annotations),
    )
    realize = s_tir.SBlockRealize(func.body.iter_values, func.body.predicate, block)
    return func.with_body(realize)


def _extent(schedule: s_tir.Schedule, loops: list[s_tir.schedule.LoopRV]) -> int:
    total = 1
    for loop in loops:
        total *= int(schedule.get(loop).extent)
    return total


def _is_copy(block: s_tir.SBlock) -> bool:
    return isinstance(block.body, tirx.BufferStore) and isinstance(
        block.body.value, tvm.ir.TensorLoad
    )
