"""Elementwise chains become one loop each, and every intermediate of a chain one scalar.

relax.FuseOps groups the chains, relax.FuseTIR joins their bodies; the schedule below then moves
every producer into the loop of the last operation. Each value is computed once, also where two
consumers read it.
"""

from __future__ import annotations

import tvm
from tvm import relax, s_tir, tirx

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
        return sequence(_materialise_before_slices(module))


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


def _materialise_before_slices(module: tvm.IRModule) -> tvm.IRModule:
    """Marks elementwise functions whose result is sliced as opaque.

    Fused with the slice, such a value would be computed once per loop of another extent.
    """
    made_by: dict[relax.Var, tvm.ir.GlobalVar] = {}
    sliced: set[tvm.ir.GlobalVar] = set()
    for block in module["main"].body.blocks:
        for binding in block.bindings:
            if not is_call_tir(binding.value):
                continue
            gvar, args = binding.value.args
            made_by[binding.var] = gvar
            if _pattern(module[gvar]) == INJECTIVE:
                sliced |= {made_by[arg] for arg in args if arg in made_by}
    functions = {
        gvar: func.with_attr("op_pattern", OPAQUE)
        if gvar in sliced and _pattern(func) == ELEMENTWISE
        else func
        for gvar, func in module.functions_items()
    }
    return tvm.IRModule(functions)


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
