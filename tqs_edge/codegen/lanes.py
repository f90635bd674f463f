"""An elementwise loop as calls of kernels/tqs_lanes.h: eight numbers at once on cores with MVE."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import tirx
from tvm.ir.prim.expr import RShift

from tqs_edge.codegen.lanes_sum import LanesSum, narrowed

LANES = 8
LEAST_ELEMENTS = 4  # of a loop that gains by lanes
TABLES = {
    f"tqs_{name}_{kind}": f"tqs_lanes_{name}_q15"
    for name in ("tanh", "sigmoid")
    for kind in ("q15", "s16")
}
CLAMPS_8 = ("tqs_clamp8", "tqs_sat8")
CLAMPS_16 = ("tqs_clamp16", "tqs_sat16", "tqs_fit8", "tqs_fit16")  # clamping what fits is no change
AT_LEAST = ("tqs_at_least_s8", "tqs_at_least_s16")
ARGUMENT_BITS = (8, 16)


class _NoLanes(Exception):
    """The loop computes something that tqs_lanes.h has no function for."""


def lanes_loop(func: tirx.PrimFunc) -> list[str] | None:
    """The statements of `func`, one loop over 8- and 16-bit arrays in 32-bit arithmetic, on lanes.

    None where the loop is short or needs 64 bits, other tables or comparisons. Buffers of `func`
    are views of its pointer parameters.
    """
    *views, loop = func.body.seq if isinstance(func.body, tirx.SeqStmt) else [func.body]
    named = isinstance(loop, tirx.For) and all(isinstance(v, tirx.DeclBuffer) for v in views)
    if not named or not isinstance(loop.extent, tirx.IntImm) or loop.extent < LEAST_ELEMENTS:
        return None
    elements = int(loop.extent)
    body = _Body({view.buffer: str(view.data.name) for view in views}, elements)
    try:
        for stmt in loop.body.seq if isinstance(loop.body, tirx.SeqStmt) else [loop.body]:
            body.add(stmt)
    except _NoLanes:
        return None
    head = f"for (int32_t i = 0; i < {elements}; i += TQS_LANES) {{"
    return [f"    {head}", *(f"        {line}" for line in body.lines), "    }"]


class _Body:
    """The statements of one pass, and what they have loaded."""

    def __init__(self, names: dict[tirx.Buffer, str], elements: int) -> None:
        self.names = names
        self.lines: list[str] = []
        self._loaded: dict[tuple[str, str], str] = {}
        self._whole = elements % LANES == 0
        self._left = "" if self._whole else f", {elements} - i"

    def add(self, stmt: tirx.Stmt) -> None:
        """Appends the lines of `stmt`; _NoLanes."""
        if isinstance(stmt, tirx.Bind):
            self.lines.append(f"tqs_lanes {stmt.var.name} = {self._half(stmt.value)};")
            return
        if not isinstance(stmt, tirx.BufferStore):
            raise _NoLanes
        name, offset, bits = self._place(stmt.buffer, stmt.indices)
        store = f"tqs_lanes_store{'_all' if self._whole else ''}_s{bits}"
        self.lines.append(f"{store}({name} + {offset}, {self._half(stmt.value)}{self._left});")

    def _half(self, value: tirx.Expr) -> str:
        """C of a value that fits 16 bits."""
        called = _extern(value)
        match value:
            case tirx.Var():
                return str(value.name)
            case tirx.IntImm():
                return f"tqs_lanes_dup({int(value.value)})"
            case tvm.ir.TensorLoad():
                return self._load(value)
            case tirx.Cast():
                return self._half(value.value)
            case _ if called in CLAMPS_16:
                return narrowed(self._sum(value.args[1]))
            case _ if called in CLAMPS_8:
                return f"tqs_lanes_clamp8({narrowed(self._sum(value.args[1]))})"
            case _ if called in AT_LEAST:
                return f"tqs_lanes_at_least({self._half(value.args[1])}, {_number(value.args[2])})"
            case _ if called in TABLES:
                x = self._variable(self._half(value.args[1]))
                return f"{TABLES[called]}({x}, {_number(value.args[2])})"
        raise _NoLanes  # or a number of 32 bits

    def _variable(self, text: str) -> str:
        """`text`, or a variable for it: macros read their argument more than once."""
        if text.isidentifier():
            return text
        name = f"lanes_{len(self.lines)}"
        self.lines.append(f"tqs_lanes {name} = {text};")
        return name

    def _load(self, load: tvm.ir.TensorLoad) -> str:
        name, offset, bits = self._place(load.source, load.indices)
        place = (name, offset)
        if place not in self._loaded:
            variable = f"{name}_at_{len(self._loaded)}"
            self._loaded[place] = variable
            function = f"tqs_lanes_load{'_all' if self._whole else ''}_s{bits}"
            line = f"const tqs_lanes {variable} = {function}({name} + {offset}{self._left});"
            self.lines.append(line)
        return self._loaded[place]

    def _place(self, buffer: tirx.Buffer, indices: Sequence[tirx.Expr]) -> tuple[str, str, int]:
        """Array, offset and bits of the element at i, or at i and a number."""
        (index,) = indices
        bits = tvm.DataType(str(buffer.dtype)).bits
        if buffer not in self.names or bits not in ARGUMENT_BITS:
            raise _NoLanes
        if isinstance(index, tirx.Var):
            return self.names[buffer], str(index.name), bits
        if isinstance(index, tirx.Add) and isinstance(index.b, tirx.IntImm):
            if isinstance(index.a, tirx.Var):
                return self.names[buffer], f"{index.a.name} + {int(index.b.value)}", bits
        raise _NoLanes

    def _sum(self, value: tirx.Expr) -> LanesSum:
        """A 32-bit sum of products."""
        if str(value.ty.dtype) != "int32":
            raise _NoLanes
        match value:
            case tirx.IntImm():
                return LanesSum({}, int(value.value))
            case tirx.Add():
                return self._joined(self._sum(value.a), self._sum(value.b), 1)
            case tirx.Sub():
                return self._joined(self._sum(value.a), self._sum(value.b), -1)
            case tirx.Mul():
                return self._product(self._sum(value.a), self._sum(value.b))
            case RShift() if isinstance(value.b, tirx.IntImm):
                inner = self._sum(value.a)
                if inner.shift or not 1 <= int(value.b.value) <= 31:
                    raise _NoLanes
                return LanesSum(inner.factors, inner.constant, int(value.b.value))
        return LanesSum({(self._half(value),): 1}, 0)

    def _joined(self, a: LanesSum, b: LanesSum, sign: int) -> LanesSum:
        if a.shift and b.shift:
            raise _NoLanes
        return a.plus(b, sign)

    def _product(self, a: LanesSum, b: LanesSum) -> LanesSum:
        if a.factors and not b.factors:
            a, b = b, a
        if a.shift or b.shift:
            raise _NoLanes
        if not a.factors:
            return b.times(a.constant)
        if a.is_one_number and b.is_one_number:
            ((x,),), ((y,),) = a.factors, b.factors
            return LanesSum({(x, y): 1}, 0)
        raise _NoLanes


def _number(value: tirx.Expr) -> int:
    if not isinstance(value, tirx.IntImm):
        raise _NoLanes
    return int(value.value)


def _extern(value: tirx.Expr) -> str:
    """The function that a call_extern calls; "" for any other expression."""
    if not isinstance(value, tvm.ir.Call) or value.op != tvm.ir.Op.get("tirx.call_extern"):
        return ""
    return str(value.args[0].value)
