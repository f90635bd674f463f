"""Integer calls that a C kernel computes become extern calls; the rest stays integer TIR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import tvm
import tvm_ffi
from tvm import relax, te, tirx
from tvm.ir.prim.expr import RShift
from tvm.relax.expr_functor import PyExprMutator, mutator
from tvm.sym import Analyzer

from tqs_edge.passes.dense_kernel import dense_kernel, dense_shape, strided_rows
from tqs_edge.passes.fixed_point_tir import WIDE_SHIFT
from tqs_edge.passes.fuse_loops import is_call_tir
from tqs_edge.passes.integer_ops import ELEMENTWISE
from tqs_edge.passes.moved_rows import first_row, is_moved, overlapping_rows, row_copy
from tqs_edge.passes.nonlinear_kernels import marked_kernel
from tqs_edge.passes.push_call import push_kernel
from tqs_edge.quant.scheme import integer_limits

PROVEN = {"int8": "tqs_fit8", "int16": "tqs_fit16"}
# Lower bounds above the type's own, such as a rectifier's 0.
AT_LEAST = {f"int{bits}": f"tqs_at_least_s{bits}" for bits in (8, 16, 32)}


@tvm.transform.module_pass(opt_level=0, name="DispatchKernels")
class DispatchKernels:
    """Dense calls become tqs_dense_* calls with packed weights, pushes tqs_push_rows_* calls, table
    lookups and saturations the inline functions of tqs_lut.h and tqs_fixed.h.
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
        return call_inline_functions(module)


@mutator
class _Dispatcher(PyExprMutator):
    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        self.module = module
        self.functions = dict(module.functions_items())

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        if call.op != tvm.ir.Op.get("relax.call_tir"):
            return call
        func = self.module[call.args[0]]
        if "tqs.dense_blocks" in func.attrs:
            return self._dense(call, func)
        if "tqs.table" in func.attrs:
            return self._replace(call, table_kernel(func), [call.args[1][0]])
        if "tqs.push" in func.attrs:
            return self._replace(call, push_kernel(func), list(call.args[1]))
        marked = marked_kernel(func)
        return call if marked is None else self._replace(call, marked, list(call.args[1]))

    def _dense(self, call: relax.Call, func: tirx.PrimFunc) -> relax.Call:
        x, *weights = call.args[1]
        shape, move = dense_shape(func), self._move_of(x)
        if move is not None:
            return self._replace(call, *self._moved_dense(func, x, move, weights))
        if shape.stride != shape.depth:
            x = self._emit_rows(x, strided_rows(func, f"{func.attrs['tqs.tensor']}_rows"))
        return self._replace(call, *dense_kernel(func, [x, *weights], shape))

    def _moved_dense(
        self, func: tirx.PrimFunc, x: relax.Expr, move: relax.Call, weights: Sequence[relax.Expr]
    ) -> tuple[tirx.PrimFunc, list[relax.Expr]]:
        """The kernel calls of a dense function that reads the rows that `move` makes."""
        source, shape = move.args[1][0], dense_shape(func)
        moved = self.functions[move.args[0]]
        overlapping = overlapping_rows(moved, shape)
        if overlapping is not None:
            return dense_kernel(func, [source, *weights], overlapping)
        if shape.lead == 1:
            return dense_kernel(func, [x, *weights], shape)  # copied once, by `move` itself
        row = self._emit_rows(source, first_row(moved, f"{func.attrs['tqs.tensor']}_row"))
        same_place = replace(shape, stride=0)
        args = [row, *weights]
        return dense_kernel(func, args, same_place, source=source, copy_row=row_copy(moved))

    def _emit_rows(self, x: relax.Expr, rows: tirx.PrimFunc) -> relax.Var:
        """The variable bound to rows(x)."""
        name = str(rows.attrs["tqs.tensor"])
        gvar = self.builder_.add_func(rows.without_attr("global_symbol"), f"rows_{name}")
        out = relax.TensorType(rows.params[-1].ty.shape, str(x.ty.dtype))
        return self.builder_.emit(relax.call_tir(gvar, relax.Tuple([x]), out), name)

    def _move_of(self, x: relax.Expr) -> relax.Call | None:
        """The call that makes the unfolded or transposed `x`; None for any other tensor."""
        made = self.lookup_binding(x) if isinstance(x, relax.Var) else None
        if made is None or not is_call_tir(made) or made.args[0] not in self.functions:
            return None
        return made if is_moved(self.functions[made.args[0]]) else None

    def _replace(
        self, call: relax.Call, func: tirx.PrimFunc, args: Sequence[relax.Expr]
    ) -> relax.Call:
        gvar = self.builder_.add_func(func.without_attr("global_symbol"), call.args[0].name_hint)
        return relax.call_tir(gvar, relax.Tuple(args), call.ty_args[0])


def table_kernel(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """y = tqs_tanh_s16(x, fraction_bits) or tqs_sigmoid_s16, rounded to 8 bits where y has 8."""
    param, y = func.params[0], func.params[-1].ty
    x = te.placeholder(param.ty.shape, str(param.ty.dtype), name=param.name)
    symbol = f"tqs_{func.attrs['tqs.table']}_s16"

    def element(*indices: tirx.Expr) -> tirx.Expr:
        fraction_bits = tirx.const(int(func.attrs["tqs.fraction_bits"]), "int32")
        value = tirx.call_extern("int16", symbol, x(*indices), fraction_bits)
        if str(y.dtype) == "int16":
            return value
        rounded = (value.astype("int32") + 128) >> tirx.const(8, "int32")
        return te.max(te.min(rounded, 127), -128).astype("int8")

    result = te.compute(y.shape, element, name=func.attrs["tqs.tensor"])
    marks = {"tqs.tensor": func.attrs["tqs.tensor"], "op_pattern": ELEMENTWISE}
    return te.create_prim_func([x, result]).with_attrs({**marks, "tirx.noalias": True})


def call_inline_functions(module: tvm.IRModule) -> tvm.IRModule:
    """The module with clamps and shifts of 64-bit sums written as functions of tqs_fixed.h."""
    functions = {
        gvar: func.with_body(tvm_ffi.structural_map(func.body, (tirx.Cast, _inline_call)))
        if isinstance(func, tirx.PrimFunc)
        else func
        for gvar, func in module.functions_items()
    }
    return tvm.IRModule(functions)


def _inline_call(cast: tirx.Cast) -> tirx.Expr:
    """`cast`, or the inline function that computes the same."""
    dtype = str(cast.ty.dtype)
    clamps = isinstance(cast.value, tirx.Max | tirx.Min)
    if dtype == "int32" and not clamps:
        return _high_shift(cast)
    if dtype in AT_LEAST and clamps:
        return _saturation(cast, int(dtype.removeprefix("int")))
    return _proven(cast) if dtype in PROVEN else cast


def _proven(cast: tirx.Cast) -> tirx.Expr:
    """int<b> of an int32 that is proven to fit: the checked build looks whether it does."""
    value, symbol = cast.value, PROVEN[str(cast.ty.dtype)]
    done = isinstance(value, tvm.ir.Call) and symbol in [str(a) for a in value.args[:1]]
    if str(value.ty.dtype) != "int32" or isinstance(value, tvm.ir.TensorLoad) or done:
        return cast
    return tirx.Cast(cast.ty.dtype, tirx.call_extern("int32", symbol, value))


def _saturation(cast: tirx.Cast, bits: int) -> tirx.Expr:
    """int<b>(max(min(v, 2^(b-1) - 1), low)) as tqs_sat<b>(v), at least `low` where that is higher.

    The simplifier drops a bound that it can prove; put back, it changes nothing.
    """
    low, high = integer_limits(bits)
    value, lower, upper = cast.value, low, high
    if isinstance(value, tirx.Max) and isinstance(value.b, tirx.IntImm):
        lower, value = value.b.value, value.a
    if isinstance(value, tirx.Min) and isinstance(value.b, tirx.IntImm):
        upper, value = value.b.value, value.a
    if upper != high or lower < low:
        return cast
    dtype = f"int{bits}"
    saturated = tirx.call_extern(dtype, f"tqs_sat{bits}", value)
    if lower == low:
        return saturated
    return tirx.call_extern(dtype, AT_LEAST[dtype], saturated, tirx.const(lower, dtype))


def _high_shift(cast: tirx.Cast) -> tirx.Expr:
    """int32(v >> s) of a 64-bit v as tqs_round_high(v - half, s) for s in [32, 62]."""
    shift = cast.value
    if not isinstance(shift, RShift) or str(shift.ty.dtype) != "int64":
        return cast
    amount = int(shift.b.value)
    if amount < WIDE_SHIFT:
        return cast
    total = Analyzer().simplify(shift.a - tirx.const(1 << (amount - 1), "int64"))
    return tirx.call_extern("int32", "tqs_round_high", total, amount)
