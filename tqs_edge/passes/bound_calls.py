"""Operations that choose between values of one width and scale, as TE."""

from __future__ import annotations

from tvm import te, tirx

from tqs_edge.integer.bound_ops import ClampOp, ExtremumOp, SelectOp
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.integer_ops import (
    ELEMENTWISE,
    IntegerCall,
    broadcast_at,
    dtype_of,
    map_pattern,
    operands_of,
    placeholder_of,
    prim_func,
    uniform_constant,
)
from tqs_edge.quant.scheme import integer_limits


def extremum_call(op: ExtremumOp, program: IntegerProgram) -> IntegerCall:
    """y = the larger or the smaller of two inputs."""
    y = program.tensors[op.output]
    choose = te.max if op.function == "maximum" else te.min
    constants = {name: uniform_constant(program, name) for name in op.inputs}
    names = tuple(name for name, value in constants.items() if value is None)
    placeholders = {name: placeholder_of(program.tensors[name]) for name in names}

    def element(*indices: tirx.Expr) -> tirx.Expr:
        if len(constants) == 1 and names:  # C compilers refuse to compare a number with itself
            return broadcast_at(placeholders[names[0]], indices, y)
        a, b = (
            tirx.const(constants[name], dtype_of(y))
            if constants[name] is not None
            else broadcast_at(placeholders[name], indices, y)
            for name in op.inputs
        )
        return choose(a, b)

    result = te.compute(y.shape, element, name=y.name)
    func = prim_func(list(placeholders.values()), result, map_pattern(program, names, y))
    return IntegerCall(func, operands_of(program, names))


def select_call(op: SelectOp, program: IntegerProgram) -> IntegerCall:
    """y = a where x >= least, b elsewhere; what no x can choose is not read."""
    y = program.tensors[op.output]
    low, high = integer_limits(program.tensors[op.condition].bits)
    read: tuple[str, ...] = (op.condition, *op.inputs)
    if not low < op.least <= high:
        read = (op.inputs[op.least > high],)
    names = tuple(dict.fromkeys(read))
    placeholders = {name: placeholder_of(program.tensors[name]) for name in names}

    def element(*indices: tirx.Expr) -> tirx.Expr:
        x, *values = (broadcast_at(placeholders[name], indices, y) for name in read)
        if not values:
            return x
        return tirx.Select(x.astype("int32") >= tirx.const(op.least, "int32"), *values)

    result = te.compute(y.shape, element, name=y.name)
    func = prim_func(list(placeholders.values()), result, map_pattern(program, names, y))
    return IntegerCall(func, operands_of(program, names))


def clamp_call(op: ClampOp, program: IntegerProgram) -> IntegerCall:
    """y = min(max(x, low), high); a bound that the type has anyway is left out."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])
    least, most = integer_limits(y.bits)

    def element(*indices: tirx.Expr) -> tirx.Expr:
        value = x(*indices)
        value = te.max(value, tirx.const(op.low, dtype_of(y))) if op.low > least else value
        return te.min(value, tirx.const(op.high, dtype_of(y))) if op.high < most else value

    func = prim_func([x], te.compute(y.shape, element, name=y.name), ELEMENTWISE)
    return IntegerCall(func, operands_of(program, (op.input,)))
