"""Counts of what lowered statements do: each operation, access, loop and call is a feature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir.prim.expr import RShift

DENSE, ARGUMENT = "tqs_dense_", "call"
TANH_TABLE_READERS = ("tqs_tanh_", "tqs_sigmoid_")
ROWS, LENGTH = -2, -1  # of the arguments of the kernels over rows
WIDE = "int64"
PER_WORD = {"s8": 4, "16": 2}  # elements, by the end of a kernel's name
SHORT, SHORT_SUM = 2, 3  # passes of a loop in another one that compilers unroll


@dataclass(frozen=True)
class DenseCall:
    """A call of a dense kernel, made `times` per step."""

    symbol: str
    rows: int
    depth: int
    shift: int
    times: int


class OperationCounts:
    """Walks lowered statements; a loop's body is executed so many times."""

    def __init__(self) -> None:
        self.executed: defaultdict[str, float] = defaultdict(float)
        self.written: defaultdict[str, float] = defaultdict(float)
        self.dense: list[DenseCall] = []
        self.linked: set[str] = set()
        self.loops: list[tuple[tirx.Var, float]] = []  # around, and how often each is begun
        self.bound: dict[str, tirx.Expr] = {}
        self.local: list[tirx.Buffer] = []  # sums of reductions, which stay in registers

    def add(self, feature: str, times: float, size: float = 1.0) -> None:
        """`size` times a feature in code that is executed `times` times."""
        self.executed[feature] += times * size
        self.written[feature] += size

    def loop(self, loop: tirx.For, times: float, depth: int) -> None:
        """A loop in `depth` others: compilers make a call of one that copies, and leave nothing of
        a short one inside another."""
        passes = int(loop.extent)
        if _is_copy(loop):
            self.add("copy", times)
            self.executed["copied"] += times * passes
            return
        collects, innermost = self.collects(loop), not _has_loop(loop.body)
        short = innermost and depth and passes <= (SHORT_SUM if collects else SHORT)
        if short:
            self.add("short sum" if collects else "short pass", times * passes)
        else:
            kind = "running" if innermost and self.runs(loop) else "inner" if innermost else "outer"
            self.add(f"{kind} loop", times)
            self.add(f"{kind} pass", times * passes)
        self.loops.append((loop.loop_var, times))
        self.statement(loop.body, times * passes, depth + 1)
        self.loops.pop()

    def statement(self, stmt: tirx.Stmt, times: float, depth: int = 0) -> None:
        match stmt:
            case tirx.AllocBuffer():
                self.local.append(stmt.buffer)
            case tirx.SeqStmt():
                for one in stmt.seq:
                    self.statement(one, times, depth)
            case tirx.For():
                self.loop(stmt, times, depth)
            case tirx.Bind():
                self.value(stmt.value, times)
                self.bound[stmt.var.name] = stmt.value
            case tirx.BufferStore():
                self.value(stmt.value, times)
                self.access("store", stmt.buffer, stmt.indices, times)
            case tirx.IfThenElse():
                self.value(stmt.condition, times)
                self.statement(stmt.then_case, times, depth)
            case tirx.Evaluate() if isinstance(stmt.value, tvm.ir.Call):
                self.kernel(stmt.value, times)

    def value(self, value: tirx.Expr, times: float) -> None:
        """An operation; what does not depend on the loop around it is done once before it."""
        if self.loops and not isinstance(value, (tirx.Var, tirx.IntImm)):
            var, begun = self.loops[-1]
            if begun < times and not self.depends(value, var):
                times = begun
        match value:
            case tvm.ir.TensorLoad():
                self.access("load", value.source, value.indices, times)
            case tirx.Cast():
                self.value(value.value, times)
            case tvm.ir.Call():
                self.function(value, times)
            case tirx.Select():
                for part in (value.condition, value.true_value, value.false_value):
                    self.value(part, times)
                self.add("select", times)
            case _ if hasattr(value, "a") and hasattr(value, "b"):
                self.value(value.a, times)
                self.value(value.b, times)
                self.add(_operation(value), times)

    def collects(self, loop: tirx.For) -> bool:
        """Whether the loop only adds up what it reads."""
        last = loop.body.seq[-1] if isinstance(loop.body, tirx.SeqStmt) else loop.body
        return isinstance(last, tirx.BufferStore) and self.is_local(last.buffer)

    def runs(self, loop: tirx.For) -> bool:
        """Whether the loop carries a sum from one pass to the next and stores of each."""
        lines = loop.body.seq if isinstance(loop.body, tirx.SeqStmt) else [loop.body]
        stores = [line.buffer for line in lines if isinstance(line, tirx.BufferStore)]
        return {self.is_local(buffer) for buffer in stores} == {True, False}

    def is_local(self, buffer: tirx.Buffer) -> bool:
        """Whether the function has the buffer to itself."""
        return any(buffer.same_as(own) for own in self.local)

    def access(
        self, feature: str, buffer: tirx.Buffer, indices: Sequence[tirx.Expr], times: float
    ) -> None:
        """A load or store, and products in its index."""
        if self.is_local(buffer):
            return
        self.add(feature, times)
        factors = sum(_products(index) for index in indices)
        if factors:
            self.add("index", times, factors)

    def depends(self, value: tirx.Expr, var: tirx.Var) -> bool:
        """Whether the value changes from one pass over `var` to the next."""
        found: list[bool] = []

        def visit(used: tirx.Var) -> None:
            if used.same_as(var):
                found.append(True)
            elif used.name in self.bound:
                found.append(self.depends(self.bound[used.name], var))

        sums = (tvm.ir.TensorLoad, lambda load: found.append(self.is_local(load.source)))
        tvm_ffi.structural_walk(value, [(tirx.Var, visit), sums])
        return any(found)

    def function(self, call: tvm.ir.Call, times: float) -> None:
        """An inline function of tqs_*.h, or of TVM's own."""
        name, arguments = _name(call), call.args[1:] if _name(call) else call.args
        for argument in arguments:
            self.value(argument, times)
        if name.startswith(TANH_TABLE_READERS):
            self.linked.add("tqs_tanh_table")
        self.add(name.removeprefix("tqs_") or _intrinsic(call), times)

    def kernel(self, call: tvm.ir.Call, times: float) -> None:
        """A call of a kernel of kernels/: its arguments, and features of its own."""
        name = _name(call)
        numbers = [int(a) for a in call.args[1:] if isinstance(a, tirx.IntImm)]
        if name.startswith(DENSE):
            shift, rows, depth = numbers
            self.dense.append(DenseCall(name, rows, depth, shift, round(times)))
            return
        self.linked.add(name)
        self.add(ARGUMENT, times, len(call.args) - 1)
        self.add(name, times)
        for feature, count in _sizes(name, numbers).items():
            self.executed[f"{name} {feature}"] += times * count


def _is_copy(loop: tirx.For) -> bool:
    """Whether the loop copies consecutive elements and does nothing else."""
    body = loop.body
    if not isinstance(body, tirx.BufferStore) or not isinstance(body.value, tvm.ir.TensorLoad):
        return False
    return all(_stride(index, loop.loop_var) == 1 for index in (*body.indices, *body.value.indices))


def _stride(index: tirx.Expr, var: tirx.Var) -> int | None:
    """By how much the index grows with the variable; None where that is not plain."""
    match index:
        case tirx.Var():
            return int(index.same_as(var))
        case tirx.IntImm():
            return 0
        case tirx.Add():
            sides = _stride(index.a, var), _stride(index.b, var)
            return None if None in sides else sum(side for side in sides if side is not None)
        case tirx.Mul() if isinstance(index.b, tirx.IntImm):
            side = _stride(index.a, var)
            return None if side is None else side * int(index.b)
    return None


def _has_loop(stmt: tirx.Stmt) -> bool:
    inside = stmt.seq if isinstance(stmt, tirx.SeqStmt) else [stmt]
    return any(isinstance(one, tirx.For) for one in inside)


def _sizes(name: str, numbers: list[int]) -> Mapping[str, int]:
    if "matmul" in name:
        pairs, _, _, rows, inner, columns = numbers[-6:]
        rows *= pairs
        return {"row": rows, "value": rows * columns, "product": rows * inner * columns}
    if "push" in name:
        return _pushed(numbers[-2], numbers[-1], PER_WORD[name[-2:]])
    if len(numbers) < 2:
        return {"value": numbers[-1]} if numbers else {}
    return {"row": numbers[ROWS], "value": numbers[ROWS] * numbers[LENGTH]}


def _pushed(kept: int, pushed: int, per_word: int) -> Mapping[str, int]:
    """Kept rows that begin at words are moved four words at a time."""
    blocks = 0 if pushed % per_word else kept // (4 * per_word)
    return {"block": blocks, "kept": kept - blocks * 4 * per_word, "pushed": pushed}


def _operation(value: tirx.Expr) -> str:
    """The feature of an operation of two operands."""
    wide = " 64" if str(value.ty.dtype) == WIDE else ""
    if isinstance(value, tirx.Mul):
        if any(_is_power_of_two(side) for side in (value.a, value.b)):
            return f"shift{wide}"
        if wide:
            return f"multiply 64{_by(value)}"
        return "multiply"
    if isinstance(value, (tirx.Add, tirx.Sub)):
        return f"add{wide}"
    if isinstance(value, RShift):
        return f"shift{wide}"
    return f"compare{wide}"


def _by(product: tirx.Mul) -> str:
    """What kind of number a 64-bit product is by, which compilers treat differently."""
    numbers = [int(n) for n in (product.a, product.b) if isinstance(n, tirx.IntImm)]
    if not numbers:
        return " by any"
    return " by less than 0" if numbers[0] < 0 else ""


def _is_power_of_two(value: tirx.Expr) -> bool:
    return isinstance(value, tirx.IntImm) and int(value).bit_count() == 1


def _products(index: tirx.Expr) -> int:
    """Multiplications of an index."""
    if not hasattr(index, "a"):
        return 0
    own = isinstance(index, (tirx.Mul, tirx.FloorDiv, tirx.FloorMod))
    return int(own) + _products(index.a) + _products(index.b)


def _name(call: tvm.ir.Call) -> str:
    """The function that a call_extern calls; "" for any other call."""
    if call.op != tvm.ir.Op.get("tirx.call_extern"):
        return ""
    return str(call.args[0].value)


def _intrinsic(call: tvm.ir.Call) -> str:
    return str(call.op.name).removeprefix("tirx.")
