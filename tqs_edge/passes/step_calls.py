"""The lowered step as plain data: which function runs on which tensors, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax, tirx

from tqs_edge.errors import InputError
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.fuse_loops import is_call_tir


@dataclass(frozen=True, eq=False)
class StepCall:
    """One call: func(operands..., others..., output). Operands are tensor names or constant arrays.

    others: what a joined loop writes as well; parts: the calls that it was made of
    """

    func: tirx.PrimFunc
    operands: tuple[str | np.ndarray, ...]
    output: str
    others: tuple[str, ...] = ()
    parts: tuple[StepCall, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensors that are read."""
        return tuple(o for o in self.operands if isinstance(o, str))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensors that are written, in the order of the parameters."""
        return (*self.others, self.output)

    def views(self, parameter: int) -> tuple[tirx.Buffer, ...]:
        """The flat buffers that the lowered function declares over a parameter."""
        param = self.func.params[parameter]
        body = self.func.body
        return tuple(
            stmt.buffer
            for stmt in (body.seq if isinstance(body, tirx.SeqStmt) else (body,))
            if isinstance(stmt, tirx.DeclBuffer) and stmt.data.args[0].same_as(param)
        )

    @property
    def padded_input(self) -> int:
        """Elements of the first operand that must be readable and 4-byte aligned; 0 without."""
        attrs = self.func.attrs
        return int(attrs["tqs.padded_input"]) if "tqs.padded_input" in attrs else 0

    @property
    def byte_weights(self) -> frozenset[int]:
        """Positions of the operands that are words of 8-bit weights."""
        attrs = self.func.attrs
        marked = attrs["tqs.byte_weights"] if "tqs.byte_weights" in attrs else ()
        return frozenset(int(position) for position in marked)


@dataclass(frozen=True, eq=False)
class Copy:
    """output = input, element by element."""

    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensor that is read."""
        return (self.input,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensor that is written."""
        return (self.output,)


@dataclass(frozen=True)
class TensorShape:
    """Shape and bits per element of a tensor."""

    shape: tuple[int, ...]
    bits: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class StepCalls:
    """calls in order; inputs are x and exog; states[i] becomes updates[i]; output is y."""

    calls: tuple[StepCall, ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    output: str
    updates: tuple[str, ...]
    tensors: Mapping[str, TensorShape]


def step_calls(module: tvm.IRModule, program: IntegerProgram) -> StepCalls:
    """The calls of the lowered module's `main`; InputError when it is not fully lowered."""
    main = module["main"]
    names: dict[relax.Expr, str] = {param: param.name for param in main.params}
    calls: list[StepCall] = []
    results: relax.Tuple | None = None
    for binding in (b for block in main.body.blocks for b in block.bindings):
        if isinstance(binding.value, relax.Tuple):
            results = binding.value
        elif is_call_tir(binding.value):
            gvar, args = binding.value.args
            func = module[gvar]
            if "tqs.view" in func.attrs and args[0] in names:
                names[binding.var] = names[args[0]]  # the same elements in the same order
                continue
            names[binding.var] = str(func.attrs["tqs.tensor"])
            operands = tuple(_operand(arg, names) for arg in args)
            calls.append(StepCall(func, operands, names[binding.var]))
        else:
            raise InputError(f"'{binding.var.name}' is not lowered: run passes.lower first")
    if results is None:
        raise InputError("main returns no tuple (y, state...): run passes.lower first")
    fields = [names[field] for field in results.fields]
    inputs = (program.input, *([program.exog] if program.exog else []))
    states = tuple(state.name for state in program.states)
    tensors = {name: _shape(var) for var, name in reversed(names.items())}
    return StepCalls(tuple(calls), inputs, states, fields[0], tuple(fields[1:]), tensors)


def _operand(arg: relax.Expr, names: Mapping[relax.Expr, str]) -> str | np.ndarray:
    return arg.value.numpy() if isinstance(arg, tvm.ir.GenericConst) else names[arg]


def _shape(var: relax.Var) -> TensorShape:
    shape = tuple(int(n) for n in var.ty.shape)
    return TensorShape(shape, tvm.DataType(str(var.ty.dtype)).bits)
