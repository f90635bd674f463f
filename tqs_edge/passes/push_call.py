"""Kept rows that move on by one step: as TE, and as a kernel that may run in place."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from tvm import te, tirx

from tqs_edge.integer.layout_ops import PushOp
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.integer_ops import OPAQUE, IntegerCall, dtype_of, statement

IN_PLACE = "tqs.in_place"  # marks a function whose output may be its first operand


def push_call(op: PushOp, program: IntegerProgram) -> IntegerCall:
    """y = state without its oldest rows, then row. The attribute "tqs.push" gives the elements that
    move on and those that are new; all axes before the pushed one have extent 1."""
    state, row = program.tensors[op.state], program.tensors[op.row]
    axis = len(state.shape) + op.axis
    past = te.placeholder(state.shape, dtype_of(state), name=state.name)
    new = te.placeholder(row.shape, dtype_of(row), name=row.name)
    kept = state.shape[axis] - row.shape[axis]

    def element(*indices: tirx.Expr) -> tirx.Expr:
        def at(shift: int) -> list[tirx.Expr]:
            return [i + shift if d == axis else i for d, i in enumerate(indices)]

        older = past(*at(row.shape[axis]))
        return tirx.if_then_else(indices[axis] < kept, older, new(*at(-kept)))

    y = te.compute(state.shape, element, name=op.output)
    pushed = prod(row.shape)
    sizes = [prod(state.shape) - pushed, pushed]
    marks = {"tqs.tensor": op.output, "op_pattern": OPAQUE, "tqs.push": sizes, IN_PLACE: True}
    func = te.create_prim_func([past, new, y]).with_attrs({**marks, "tirx.noalias": True})
    return IntegerCall(func, (op.state, op.row))


def push_kernel(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The call of tqs_push_rows_s8 or tqs_push_rows_s16 that computes the same."""
    types = [param.ty for param in func.params]
    dtype = str(types[0].dtype)
    past, rows = (
        te.placeholder(ty.shape, dtype, name=param.name)
        for param, ty in zip(func.params[:2], types[:2], strict=True)
    )
    kept, pushed = (int(size) for size in func.attrs["tqs.push"])

    def body(ins: Sequence[tirx.Buffer], outs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        pointers = [tirx.address_of(b[(0,) * len(b.shape)]) for b in (*ins, *outs)]
        symbol = f"tqs_push_rows_s{dtype.removeprefix('int')}"
        return tirx.Evaluate(tirx.call_extern("void", symbol, *pointers, kept, pushed))

    name = str(func.attrs["tqs.tensor"])
    result = statement(name, [past, rows], types[-1].shape, dtype, body)
    marks = {"tqs.tensor": name, "op_pattern": OPAQUE, IN_PLACE: True, "tirx.noalias": True}
    return te.create_prim_func([past, rows, result]).with_attrs(marks)
