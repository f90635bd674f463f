"""Scheduled PrimFuncs become flat loops over flat buffers, chain intermediates plain variables."""

from __future__ import annotations

from collections.abc import Mapping

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.target import Target

from tqs_edge.passes.fixed_point_tir import MAX_INT32

C_TARGET = Target({"kind": "c"})
LOOP_VARIABLE = "i"  # of every loop


@tvm.transform.module_pass(opt_level=0, name="LowerLoops")
class LowerLoops:
    """Blocks, multi-dimensional indices and one-element buffers leave the PrimFuncs."""

    def transform_module(
        self, module: tvm.IRModule, _context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """The module with lowered PrimFuncs; Relax functions are left as they are."""
        flat = _FLATTEN(module)
        functions = {
            gvar: call_wide_products(scalar_intermediates(func))
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
    """`func` with local one-element buffers as variables and LOOP_VARIABLE as that of all loops."""
    stores: dict[tirx.Buffer, list[tirx.BufferStore]] = {}
    tvm_ffi.structural_walk(
        func.body,
        (tirx.BufferStore, lambda s: stores.setdefault(s.buffer, []).append(s)),
    )
    scalars = {
        buffer: tirx.Var(_variable_name(buffer), _register(buffer))
        for buffer, writes in stores.items()
        if len(writes) == 1 and buffer.scope() == "local" and _elements(buffer) == 1
    }
    loops: list[tirx.Var] = []
    tvm_ffi.structural_walk(func.body, (tirx.For, lambda loop: loops.append(loop.loop_var)))
    renamed = {var: tirx.Var(LOOP_VARIABLE, var.ty) for var in loops}
    body = tvm_ffi.structural_map(
        func.body,
        [
            (tirx.AllocBuffer, lambda s: tirx.Evaluate(0) if s.buffer in scalars else s),
            (
                tirx.BufferStore,
                lambda s: _bind(scalars[s.buffer], s.value) if s.buffer in scalars else s,
            ),
            (tvm.ir.TensorLoad, lambda e: _loaded(e, scalars)),
            (tirx.Var, lambda v: renamed.get(v, v)),
        ],
    )
    in_registers = [(tirx.Cast, _from_register), (tvm.ir.Call, _call_on_registers)]
    return func.with_body(tvm_ffi.structural_map(body, in_registers))


# Functions of 16-bit numbers and what computes the same on numbers in registers.
ON_REGISTERS = {
    "tqs_sat8": "tqs_clamp8",
    "tqs_sat16": "tqs_clamp16",
    "tqs_tanh_s16": "tqs_tanh_q15",
    "tqs_sigmoid_s16": "tqs_sigmoid_q15",
}


def _variable_name(buffer: tirx.Buffer) -> str:
    name: str = buffer.name.partition("_intermediate")[0]
    return f"{name}_" if name == LOOP_VARIABLE else name


def _register(buffer: tirx.Buffer) -> str:
    """The type of the variable that stands for a local buffer: a whole register, so that nothing
    is narrowed between two operations."""
    dtype = str(buffer.dtype)
    return "int32" if dtype in ("int8", "int16") else dtype


def _bind(var: tirx.Var, value: tirx.Expr) -> tirx.Bind:
    """The variable bound to a value that is proven to fit its buffer's type."""
    if str(value.ty.dtype) == str(var.ty.dtype):
        return tirx.Bind(var, value)
    if isinstance(value, tirx.Cast) and str(value.value.ty.dtype) == "int32":
        return tirx.Bind(var, value.value)
    name = _extern_name(value)
    if name in ON_REGISTERS:
        symbol = ON_REGISTERS[name]
        return tirx.Bind(var, tirx.call_extern("int32", symbol, *value.args[1:]))
    return tirx.Bind(var, value.astype("int32"))


def _loaded(load: tvm.ir.TensorLoad, scalars: Mapping[tirx.Buffer, tirx.Var]) -> tirx.Expr:
    """The variable in place of a load, in the type that the load has."""
    if load.source not in scalars:
        return load
    var, dtype = scalars[load.source], str(load.source.dtype)
    return var if str(var.ty.dtype) == dtype else tirx.Cast(dtype, var)


def _from_register(cast: tirx.Cast) -> tirx.Expr:
    """int32(int16(variable)) and int64(int16(variable)) without the cast inside."""
    inner = cast.value
    if not isinstance(inner, tirx.Cast) or not isinstance(inner.value, tirx.Var):
        return cast
    if str(inner.value.ty.dtype) != "int32" or str(cast.ty.dtype) not in ("int32", "int64"):
        return cast
    return inner.value if str(cast.ty.dtype) == "int32" else inner.value.astype("int64")


def _call_on_registers(call: tvm.ir.Call) -> tirx.Expr:
    """A table function of a variable, which it takes as it is."""
    if _extern_name(call) not in ON_REGISTERS.values() or not isinstance(call.args[1], tirx.Cast):
        return call
    value = call.args[1]
    if not isinstance(value.value, tirx.Var):
        return call
    return tirx.call_extern("int32", call.args[0].value, value.value, *call.args[2:])


def _extern_name(expr: tirx.Expr) -> str:
    """The function that a call_extern calls; "" for any other expression."""
    if not isinstance(expr, tvm.ir.Call) or expr.op != tvm.ir.Op.get("tirx.call_extern"):
        return ""
    return str(expr.args[0].value)


def call_wide_products(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with int64(x) * constant as tqs_product(x * 2^k, constant / 2^k), 32 by 32 bits.

    k > 0 where the constant does not fit 32 bits as it is; last of all rewritings, because the
    simplifier would join the two factors again.
    """
    return func.with_body(tvm_ffi.structural_map(func.body, (tirx.Mul, _wide_product)))


def _wide_product(product: tirx.Mul) -> tirx.Expr:
    value, factor = product.a, product.b
    if not isinstance(value, tirx.Cast) or not isinstance(factor, tirx.IntImm):
        return product
    bits = tvm.DataType(str(value.value.ty.dtype)).bits
    if str(value.ty.dtype) != "int64" or bits > 32:
        return product
    number = int(factor.value)
    zeros = (number & -number).bit_length() - 1
    k = min(zeros, 32 - bits) if abs(number) > MAX_INT32 else 0  # x * 2^k still fits int32
    if abs(number >> k) > MAX_INT32:
        return product
    scaled = value.value.astype("int32")
    scaled = scaled * tirx.const(1 << k, "int32") if k else scaled
    return tirx.call_extern("int64", "tqs_product", scaled, tirx.const(number >> k, "int32"))


def _elements(buffer: tirx.Buffer) -> int:
    total = 1
    for extent in buffer.shape:
        total *= int(extent)
    return total
