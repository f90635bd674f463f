"""Scheduled PrimFuncs become flat loops over flat buffers, chain intermediates plain variables."""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.target import Target

C_TARGET = Target({"kind": "c"})


@tvm.transform.module_pass(opt_level=0, name="LowerLoops")
class LowerLoops:
    """Blocks, multi-dimensional indices and one-element buffers leave the PrimFuncs."""

    def transform_module(
        self, module: tvm.IRModule, _context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """The module with lowered PrimFuncs; Relax functions are left as they are."""
        flat = _FLATTEN(module)
        functions = {
            gvar: split_wide_factors(scalar_intermediates(func))
            if isinstance(func, tirx.PrimFunc)
            else func
            for gvar, func in flat.functions_items()
        }
        return tirx.transform.RemoveNoOp()(tvm.IRModule(functions))


_FLATTEN = tvm.ir.transform.Sequential(
    [
        tirx.transform.BindTarget(C_TARGET),
        s_tir.transform.CanonicalizeLoop(),
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.StmtSimplify(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.NarrowDataType(32),
        tirx.transform.StmtSimplify(),
    ]
)


def scalar_intermediates(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with every local one-element buffer bound to a variable, and loop variables named i."""
    stores: dict[tirx.Buffer, list[tirx.BufferStore]] = {}
    tvm_ffi.structural_walk(
        func.body,
        (tirx.BufferStore, lambda s: stores.setdefault(s.buffer, []).append(s)),
    )
    scalars = {
        buffer: tirx.Var(buffer.name.partition("_intermediate")[0], str(buffer.dtype))
        for buffer, writes in stores.items()
        if len(writes) == 1 and buffer.scope() == "local" and _elements(buffer) == 1
    }
    loops: list[tirx.Var] = []
    tvm_ffi.structural_walk(func.body, (tirx.For, lambda loop: loops.append(loop.loop_var)))
    renamed = {var: tirx.Var("i", var.ty) for var in loops}
    body = tvm_ffi.structural_map(
        func.body,
        [
            (tirx.AllocBuffer, lambda s: tirx.Evaluate(0) if s.buffer in scalars else s),
            (
                tirx.BufferStore,
                lambda s: tirx.Bind(scalars[s.buffer], s.value) if s.buffer in scalars else s,
            ),
            (tvm.ir.TensorLoad, lambda e: scalars.get(e.source, e)),
            (tirx.Var, lambda v: renamed.get(v, v)),
        ],
    )
    return func.with_body(body)


def split_wide_factors(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with int64(x) * c for |c| >= 2^31 as int64(x * 2^k) * (c / 2^k) where both fit int32.

    x is an int8 or int16: then cores multiply 32 by 32 bits to 64 in one instruction.
    """
    return func.with_body(tvm_ffi.structural_map(func.body, (tirx.Mul, _split)))


def _split(product: tirx.Mul) -> tirx.Expr:
    value, factor = product.a, product.b
    if not isinstance(value, tirx.Cast) or not isinstance(factor, tirx.IntImm):
        return product
    source = str(value.value.ty.dtype)
    if str(value.ty.dtype) != "int64" or source not in ("int8", "int16"):
        return product
    number = int(factor.value)
    most = 32 - int(source.removeprefix("int"))  # x * 2^most still fits int32
    k = min((number & -number).bit_length() - 1, most)
    if abs(number) < 1 << 31 or abs(number >> k) >= 1 << 31:
        return product
    scaled = value.value.astype("int32") * tirx.const(1 << k, "int32")
    return scaled.astype("int64") * tirx.const(number >> k, "int64")


def _elements(buffer: tirx.Buffer) -> int:
    total = 1
    for extent in buffer.shape:
        total *= int(extent)
    return total
