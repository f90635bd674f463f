"""An elementwise loop as calls of kernels/tqs_lanes.h: eight numbers at once on cores with MVE."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import tirx
from tvm.ir.prim.expr import RShift

from tqs_edge.codegen.lanes_sum import LanesSum, narrowed
from tqs_edge.passes.lower_loops import LOOP_VARIABLE

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

    Of loops in each other the innermost is on lanes. None where that one is short or needs 64 bits,
    other tables or comparisons. Buffers of `func` are views of its pointer parameters.
    """
    loops = nest_of(func)
    if not loops or not all(isinstance(loop.extent, tirx.IntImm) for loop in loops):
        return None
    *outer, loop = loops
    elements = int(loop.extent)
    if elements < LEAST_ELEMENTS:
        return None
    views = func.body.seq[:-1] if isinstance(func.body, tirx.SeqStmt) else ()
    body = _Body({view.buffer: str(view.data.name) for view in views}, loops, elements)
    try:
        for stmt in loop.body.seq if isinstance(loop.body, tirx.SeqStmt) else [loop.body]:
            body.add(stmt)
    except _NoLanes:
        return None
    lines, variable = body.lines, body.variables[-1]
    lines = [f"    {line}" for line in lines]
    opening = f"for (int32_t {variable} = 0; {variable} < {elements}; {variable} += TQS_LANES) {{"
    lines = [opening, *lines, "}"]
    for around, name in zip(reversed(outer), reversed(body.variables[:-1]), strict=True):
        opening = f"for (int32_t {name} = 0; {name} < {int(around.extent)}; ++{name}) {{"
        lines = [opening, *(f"    {line}" for line in lines), "}"]
    return [f"    {line}" for line in lines]


def nest_of(func: tirx.PrimFunc) -> list[tirx.For]:
    """The loops, the innermost last, of a function that is nothing but loops in each other."""
    *views, inner = func.body.seq if isinstance(func.body, tirx.SeqStmt) else [func.body]
    if not all(isinstance(view, tirx.DeclBuffer) for view in views):
        return []
    loops = []
    while isinstance(inner, tirx.For):
        loops.append(inner)
        inner = inner.body
    return loops


class _Body:
    """The statements of one pass, and what they have loaded."""

    def __init__(
        self, names: dict[tirx.Buffer, str], loops: Sequence[tirx.For], elements: int
    ) -> None:
        self.names = names
        self.loops = loops
        self.variables = [LOOP_VARIABLE]
        for number in range(1, len(loops)):
            name = f"{LOOP_VARIABLE}_{number}"
            self.variables.append(f"{name}_" if name in names.values() else name)
        self.lines: list[str] = []
        self._loaded: dict[tuple[str, str], str] = {}
        self._whole = elements % LANES == 0
        self._left = "" if self._whole else f", {elements} - {self.variables[-1]}"

    def add(self, stmt: tirx.Stmt) -> None:
        """Appends the lines of `stmt`; _NoLanes."""
        if isinstance(stmt, tirx.Bind):
            self.lines.append(f"tqs_lanes {stmt.var.name} = {self._half(stmt.value)};")
            return
        if not isinstance(stmt, tirx.BufferStore):
            raise _NoLanes
        name, offset, varies = self._place(stmt)
        if not varies:
            raise _NoLanes
        store = f"tqs_lanes_store{'_all' if self._whole else ''}_s{_bits(stmt.buffer)}"
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
            case _ if called == "tqs_table_s16":
                x, table = self._half(value.args[1]), self._array(value.args[2])
                numbers = ", ".join(str(_number(n)) for n in value.args[3:])
                return f"tqs_lanes_table({x}, {table}, {numbers})"
            case _ if called == "tqs_round_high":
                return self._scaled(value.args[1], _number(value.args[2]))
        raise _NoLanes  # or a number of 32 bits

    def _array(self, pointer: tirx.Expr) -> str:
        """The array whose address a call passes."""
        load = pointer.args[0] if isinstance(pointer, tvm.ir.Call) and pointer.args else None
        if not isinstance(load, tvm.ir.TensorLoad) or load.source not in self.names:
            raise _NoLanes
        if [_number(index) for index in load.indices] != [0]:
            raise _NoLanes
        return self.names[load.source]

    def _scaled(self, product: tirx.Expr, shift: int) -> str:
        """A number times those of a 32-bit array: after a shift of 32 or more it fits 16 bits."""
        sides = (product.a, product.b) if isinstance(product, tirx.Mul) else ()
        if len(sides) != 2 or not all(isinstance(side, tirx.Cast) for side in sides):
            raise _NoLanes
        x, factors = (side.value for side in sides)
        if not isinstance(factors, tvm.ir.TensorLoad) or shift < 32:
            raise _NoLanes
        name, offset, varies = self._place(factors, (32,))
        if not varies:
            raise _NoLanes
        function = f"tqs_lanes_scaled{'_all' if self._whole else ''}"
        return f"{function}({self._half(x)}, {name} + {offset}, {shift}{self._left})"

    def _variable(self, text: str) -> str:
        """`text`, or a variable for it: macros read their argument more than once."""
        if text.isidentifier():
            return text
        name = f"lanes_{len(self.lines)}"
        self.lines.append(f"tqs_lanes {name} = {text};")
        return name

    def _load(self, load: tvm.ir.TensorLoad) -> str:
        name, offset, varies = self._place(load)
        place = (name, offset)
        if place not in self._loaded:
            variable = f"{name}_at_{len(self._loaded)}"
            self._loaded[place] = variable
            function = f"tqs_lanes_load{'_all' if self._whole else ''}_s{_bits(load.source)}"
            value = f"{function}({name} + {offset}{self._left})"
            if not varies:
                value = f"tqs_lanes_dup({name}[{offset}])"
            self.lines.append(f"const tqs_lanes {variable} = {value};")
        return self._loaded[place]

    def _place(
        self, access: tvm.ir.TensorLoad | tirx.BufferStore, widths: Sequence[int] = ARGUMENT_BITS
    ) -> tuple[str, str, bool]:
        """Array and offset of an element, and whether the next pass takes the next one, or the
        same."""
        buffer = access.source if isinstance(access, tvm.ir.TensorLoad) else access.buffer
        (index,) = access.indices
        if buffer not in self.names or _bits(buffer) not in widths:
            raise _NoLanes
        strides = [_stride(index, loop.loop_var) for loop in self.loops]
        if strides[-1] not in (0, 1):
            raise _NoLanes
        terms = [
            name if factor == 1 else f"{name} * {factor}"
            for name, factor in zip(self.variables, strides, strict=True)
            if factor
        ]
        constant = _stride(index, None)
        terms += [str(constant)] if constant or not terms else []
        return self.names[buffer], " + ".join(terms), strides[-1] == 1

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


def _bits(buffer: tirx.Buffer) -> int:
    return int(tvm.DataType(str(buffer.dtype)).bits)


def _stride(index: tirx.Expr, var: tirx.Var | None) -> int:
    """The factor of a loop variable in a linear index; None: what is added to all of them."""
    match index:
        case tirx.Var():
            return int(var is not None and index.same_as(var))
        case tirx.IntImm():
            return int(index.value) if var is None else 0
        case tirx.Add():
            return _stride(index.a, var) + _stride(index.b, var)
        case tirx.Mul() if isinstance(index.b, tirx.IntImm):
            return _stride(index.a, var) * int(index.b.value)
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
