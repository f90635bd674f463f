"""An elementwise loop as calls of kernels/tqs_lanes.h: four elements per pass on cores with MVE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tvm
from tvm import tirx
from tvm.ir.prim.expr import RShift

LANES = 4
SAME_NAME = ("tqs_clamp8", "tqs_clamp16", "tqs_tanh_q15", "tqs_sigmoid_q15")
PROVEN = ("tqs_fit8", "tqs_fit16")
STORED = {"tqs_sat8": "tqs_clamp8", "tqs_sat16": "tqs_clamp16"}


class _NoLanes(Exception):
    """The loop computes something that tqs_lanes.h has no function for."""


def lanes_loop(func: tirx.PrimFunc) -> list[str] | None:
    """The statements of `func`, one loop over 8- and 16-bit arrays in 32-bit arithmetic, on lanes.

    None where the loop is no multiple of four long or needs 64 bits, other tables or comparisons.
    Buffers of `func` are views of its pointer parameters.
    """
    *views, loop = func.body.seq if isinstance(func.body, tirx.SeqStmt) else [func.body]
    named = isinstance(loop, tirx.For) and all(isinstance(v, tirx.DeclBuffer) for v in views)
    if not named or int(loop.extent) % LANES or not isinstance(loop.extent, tirx.IntImm):
        return None
    names = {view.buffer: str(view.data.name) for view in views}
    body = loop.body.seq if isinstance(loop.body, tirx.SeqStmt) else [loop.body]
    try:
        lines = [_statement(stmt, names) for stmt in body]
    except _NoLanes:
        return None
    head = f"for (int32_t i = 0; i < {int(loop.extent)}; i += TQS_LANES) {{"
    return [f"    {head}", *(f"        {line}" for line in lines), "    }"]


def _statement(stmt: tirx.Stmt, names: Mapping[tirx.Buffer, str]) -> str:
    if isinstance(stmt, tirx.Bind):
        return f"tqs_lanes {stmt.var.name} = {_lanes(stmt.value, names)};"
    if not isinstance(stmt, tirx.BufferStore) or stmt.buffer not in names:
        raise _NoLanes
    value, bits = stmt.value, tvm.DataType(str(stmt.buffer.dtype)).bits
    if bits not in (8, 16):
        raise _NoLanes
    if isinstance(value, tirx.Cast):
        text = _lanes(value.value, names)
    elif _extern(value) in STORED:
        text = f"{_on_lanes(STORED[_extern(value)])}({_lanes(value.args[1], names)})"
    else:
        raise _NoLanes
    return f"tqs_lanes_store_s{bits}({_place(stmt.buffer, stmt.indices, names)}, {text});"


def _lanes(value: tirx.Expr, names: Mapping[tirx.Buffer, str]) -> str:
    """A 32-bit expression of elements as nested calls."""
    if str(value.ty.dtype) != "int32":
        raise _NoLanes
    match value:
        case tirx.Var():
            return str(value.name)
        case tirx.IntImm():
            return f"tqs_lanes_dup({int(value.value)})"
        case tirx.Cast() if isinstance(value.value, tvm.ir.TensorLoad):
            return _load(value.value, names)
        case tirx.Add():
            return _with_number("add", value.a, value.b, names)
        case tirx.Mul():
            return _with_number("mul", value.a, value.b, names)
        case tirx.Sub():
            return f"tqs_lanes_sub({_lanes(value.a, names)}, {_lanes(value.b, names)})"
        case RShift():
            return _shifted(value, names)
        case _ if _extern(value) in PROVEN:
            return _lanes(value.args[1], names)
        case _ if _extern(value) in SAME_NAME:
            arguments = [_lanes(value.args[1], names), *(str(int(n.value)) for n in value.args[2:])]
            return f"{_on_lanes(_extern(value))}({', '.join(arguments)})"
    raise _NoLanes


def _with_number(verb: str, a: tirx.Expr, b: tirx.Expr, names: Mapping[tirx.Buffer, str]) -> str:
    if isinstance(a, tirx.IntImm):
        a, b = b, a
    if isinstance(b, tirx.IntImm):
        return f"tqs_lanes_{verb}_n({_lanes(a, names)}, {int(b.value)})"
    return f"tqs_lanes_{verb}({_lanes(a, names)}, {_lanes(b, names)})"


def _shifted(value: tirx.Expr, names: Mapping[tirx.Buffer, str]) -> str:
    shift, inner = value.b, value.a
    if not isinstance(shift, tirx.IntImm) or not 1 <= int(shift.value) <= 31:
        raise _NoLanes
    bits = int(shift.value)
    half = 1 << bits >> 1
    if isinstance(inner, tirx.Add) and isinstance(inner.b, tirx.IntImm) and inner.b.value == half:
        return f"tqs_lanes_round_shift({_lanes(inner.a, names)}, {bits})"
    return f"tqs_lanes_shift({_lanes(inner, names)}, {bits})"


def _load(load: tvm.ir.TensorLoad, names: Mapping[tirx.Buffer, str]) -> str:
    bits = tvm.DataType(str(load.source.dtype)).bits
    if load.source not in names or bits not in (8, 16):
        raise _NoLanes
    return f"tqs_lanes_load_s{bits}({_place(load.source, load.indices, names)})"


def _place(
    buffer: tirx.Buffer, indices: Sequence[tirx.Expr], names: Mapping[tirx.Buffer, str]
) -> str:
    """The address of the element at i, or at i and a number."""
    (index,) = indices
    if isinstance(index, tirx.Var):
        return f"{names[buffer]} + {index.name}"
    if isinstance(index, tirx.Add) and isinstance(index.b, tirx.IntImm):
        if isinstance(index.a, tirx.Var):
            return f"{names[buffer]} + {index.a.name} + {int(index.b.value)}"
    raise _NoLanes


def _on_lanes(function: str) -> str:
    return function.replace("tqs_", "tqs_lanes_")


def _extern(value: tirx.Expr) -> str:
    """The function that a call_extern calls; "" for any other expression."""
    if not isinstance(value, tvm.ir.Call) or value.op != tvm.ir.Op.get("tirx.call_extern"):
        return ""
    return str(value.args[0].value)
