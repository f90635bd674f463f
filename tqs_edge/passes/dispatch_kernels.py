"""Integer calls that a C kernel computes become extern calls; the rest stays integer TIR."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tvm
import tvm_ffi
from tvm import relax, te, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge import kernel_table
from tqs_edge.passes.dense_op import OPERANDS_PER_BLOCK
from tqs_edge.passes.integer_ops import ELEMENTWISE, OPAQUE, statement
from tqs_edge.quant.pack import pack
from tqs_edge.quant.scheme import integer_limits


@tvm.transform.module_pass(opt_level=0, name="DispatchKernels")
class DispatchKernels:
    """Dense calls become tqs_dense_* calls with packed weights, table lookups and saturations the
    inline functions of tqs_lut.h and tqs_fixed.h.
    """

    def transform_module(
        self, module: tvm.IRModule, _context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """The module with kernels in place; functions without a kernel are left as they are."""
        dispatcher = _Dispatcher(module)
        for gvar, func in module.functions_items():
            if isinstance(func, relax.Function):
                dispatcher.builder_.update_func(gvar, dispatcher.visit_expr(func))
        module = relax.transform.DeadCodeElimination()(dispatcher.builder_.finalize())
        return saturate_by_call(module)


@mutator
class _Dispatcher(PyExprMutator):
    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        self.module = module

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        if call.op != tvm.ir.Op.get("relax.call_tir"):
            return call
        func = self.module[call.args[0]]
        if "tqs.dense_blocks" in func.attrs:
            return self._replace(call, *dense_kernel(func, list(call.args[1])))
        if "tqs.table" in func.attrs:
            return self._replace(call, table_kernel(func), [call.args[1][0]])
        return call

    def _replace(
        self, call: relax.Call, func: tirx.PrimFunc, args: Sequence[relax.Expr]
    ) -> relax.Call:
        gvar = self.builder_.add_func(func.without_attr("global_symbol"), call.args[0].name_hint)
        return relax.call_tir(gvar, relax.Tuple(args), call.ty_args[0])


def dense_kernel(
    func: tirx.PrimFunc, args: Sequence[relax.Expr]
) -> tuple[tirx.PrimFunc, list[relax.Expr]]:
    """One tqs_dense_* call per block and leading row, and the arguments with packed weights."""
    blocks = [[int(v) for v in block] for block in func.attrs["tqs.dense_blocks"]]
    x, y = (_placeholder_like(p) for p in (func.params[0], func.params[-1]))
    act_bits = tvm.DataType(str(x.dtype)).bits
    depth, rows = int(x.shape[-1]), int(y.shape[-1])
    lead = int(np.prod([int(n) for n in x.shape[:-1]]))
    operands, inputs = [args[0]], [x]
    for number, (_, _, weight_bits, _, _) in enumerate(blocks):
        first = 1 + OPERANDS_PER_BLOCK * number
        packed = pack(args[first].value.numpy(), weight_bits, act_bits)
        arrays = [relax.const(packed, "uint32"), args[first + 1], args[first + 2]]
        operands += arrays
        inputs += [
            te.placeholder(a.value.shape, str(a.value.dtype), name=f"{kind}_{number}")
            for kind, a in zip(("weights", "bias", "multiplier"), arrays, strict=True)
        ]

    def body(ins: Sequence[tirx.Buffer], outs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        calls = []
        for row in range(lead):
            for number, (begin, end, weight_bits, acc_bits, shift) in enumerate(blocks):
                w, b, m = ins[1 + OPERANDS_PER_BLOCK * number :][:OPERANDS_PER_BLOCK]
                calls.append(
                    tirx.call_extern(
                        "void",
                        kernel_table.dense_kernel(act_bits, weight_bits, acc_bits).symbol,
                        _address(ins[0], row * depth),
                        *(_address(operand, 0) for operand in (w, b, m)),
                        shift,
                        _address(outs[0], row * rows + begin),
                        end - begin,
                        depth,
                    )
                )
        return tirx.stmt_seq(*(tirx.Evaluate(call) for call in calls))

    result = statement(func.attrs["tqs.tensor"], inputs, y.shape, str(y.dtype), body)
    kernel = _kernel(func, [*inputs, result], OPAQUE)
    return kernel.with_attr("tqs.padded_input", (lead - 1) * depth + -(-depth // 16) * 16), operands


def table_kernel(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """y = tqs_tanh_s16(x, fraction_bits) or tqs_sigmoid_s16, rounded to 8 bits where y has 8."""
    x, y = (_placeholder_like(p) for p in (func.params[0], func.params[-1]))
    symbol = f"tqs_{func.attrs['tqs.table']}_s16"

    def element(*indices: tirx.Expr) -> tirx.Expr:
        fraction_bits = tirx.const(int(func.attrs["tqs.fraction_bits"]), "int32")
        value = tirx.call_extern("int16", symbol, x(*indices), fraction_bits)
        if str(y.dtype) == "int16":
            return value
        rounded = (value.astype("int32") + 128) >> tirx.const(8, "int32")
        return te.max(te.min(rounded, 127), -128).astype("int8")

    result = te.compute(y.shape, element, name=func.attrs["tqs.tensor"])
    return _kernel(func, [x, result], ELEMENTWISE)


def saturate_by_call(module: tvm.IRModule) -> tvm.IRModule:
    """The module with clamps to the limits of int8 and int16 written as tqs_sat8 and tqs_sat16."""
    functions = {
        gvar: func.with_body(tvm_ffi.structural_map(func.body, (tirx.Cast, _saturation)))
        if isinstance(func, tirx.PrimFunc)
        else func
        for gvar, func in module.functions_items()
    }
    return tvm.IRModule(functions)


def _saturation(cast: tirx.Cast) -> tirx.Expr:
    """`cast`, or the call that equals int<b>(max(min(v, 2^(b-1) - 1), -2^(b-1)))."""
    outer, dtype = cast.value, str(cast.ty.dtype)
    inner = outer.a if isinstance(outer, tirx.Max) else outer
    if not isinstance(inner, tirx.Min) or dtype not in ("int8", "int16"):
        return cast
    low, high = integer_limits(tvm.DataType(dtype).bits)
    # A bound that the simplifier proved and dropped may be put back: it changes nothing.
    lower = outer.b.value if isinstance(outer, tirx.Max) else low
    if not isinstance(inner.b, tirx.IntImm) or (lower, inner.b.value) != (low, high):
        return cast
    return tirx.call_extern(dtype, f"tqs_sat{dtype.removeprefix('int')}", inner.a)


def _kernel(
    func: tirx.PrimFunc, tensors: Sequence[te.Tensor], pattern: int
) -> tirx.PrimFunc:
    marks = {"tqs.tensor": func.attrs["tqs.tensor"], "op_pattern": pattern, "tirx.noalias": True}
    return te.create_prim_func(list(tensors)).with_attrs(marks)


def _placeholder_like(param: tirx.Var) -> te.Tensor:
    return te.placeholder(param.ty.shape, str(param.ty.dtype), name=param.name)


def _address(buffer: tirx.Buffer, offset: int) -> tirx.Expr:
    """Pointer to element `offset` of the buffer in row-major order."""
    indices = []
    for extent in reversed([int(n) for n in buffer.shape]):
        indices.append(offset % extent)
        offset //= extent
    return tirx.address_of(buffer[tuple(indices[::-1])])
