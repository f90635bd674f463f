"""A lowered PrimFunc becomes one static C99 function, printed by TVM's C code generator.

TVM wraps buffer parameters in packed-call glue, so they become raw pointers first. Of its text only
the function body is used; the signature is written here, const where a parameter is only read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx
from tvm.target import Target

from tqs_edge.codegen.c_names import identifier
from tqs_edge.codegen.lanes import lanes_loop
from tqs_edge.codegen.tidy_c import tidy_statement, wrap, wrap_calls
from tqs_edge.errors import BuildError

C_TARGET = Target({"kind": "c"})
C_TYPES = {
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint32": "uint32_t",
}


@dataclass(frozen=True)
class CFunction:
    """A function's name and its definition; the last parameter is the output."""

    name: str
    text: str


def c_function(func: tirx.PrimFunc, name: str) -> CFunction:
    """`func`, lowered to flat loops, as `static void name(const T *input..., T *output)`."""
    pointers = pointer_parameters(func)
    module = tvm.IRModule({name: pointers.with_attr("global_symbol", name)})
    module = tirx.transform.LowerIntrin()(module)
    source = tvm.get_global_func("target.build.c")(module, C_TARGET).inspect_source()
    match = re.search(rf"void {name}\(([^)]*)\) {{\n(.*?)^}}$", source, re.S | re.M)
    if match is None:
        raise BuildError(f"TVM printed no C function '{name}'; the function is not lowered")
    names = [p.split()[-1].lstrip("*") for p in match.group(1).split(",")]
    types = [C_TYPES[str(p.ty.dtype)] for p in func.params]
    kinds = ["" if written else "const " for written in _written(func)]
    parameters = [f"{k}{t} *{n}" for k, t, n in zip(kinds, types, names, strict=True)]
    opening = f"static void {name}("
    head = wrap(f"{opening}{', '.join(parameters)}) {{", 0, hanging=len(opening))
    body, on_lanes = _body(match.group(2)), lanes_loop(pointers)
    if on_lanes is not None:
        wrapped = [wrap_calls(line.strip(), len(line) - len(line.lstrip())) for line in on_lanes]
        body = ["#ifdef TQS_LANES", *wrapped, "#else", *body, "#endif"]
    text = "\n".join(body)  # a factor of 0 leaves an operand unread
    body = [f"    (void){n};" for n in names if not re.search(rf"\b{n}\b", text)] + body
    return CFunction(name, "\n".join([head, *body, "}"]) + "\n")


def _written(func: tirx.PrimFunc) -> list[bool]:
    """Whether each parameter is written: the output, and a row that the function fills itself."""
    stored: list[tirx.Buffer] = []
    tvm_ffi.structural_walk(func.body, (tirx.BufferStore, lambda s: stored.append(s.buffer)))
    targets = [
        stmt.data.args[0]
        for stmt in func.body.seq
        if isinstance(stmt, tirx.DeclBuffer) and stmt.buffer in stored
    ]
    inputs = [any(target.same_as(param) for target in targets) for param in func.params[:-1]]
    return [*inputs, True]


def pointer_parameters(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with buffer parameters as pointers; the DeclBuffers at its top follow them."""
    names = [identifier(p.name) for p in func.params]
    names[-1] = identifier(str(func.attrs["tqs.tensor"]))
    pointers = {
        param: tirx.Var(name, tirx.buffer_data_pointer_type(param))
        for param, name in zip(func.params, names, strict=True)
    }
    statements = []
    for stmt in func.body.seq:
        if isinstance(stmt, tirx.DeclBuffer) and getattr(stmt.data, "args", None):
            owner = [p for p in func.params if stmt.data.args[0].same_as(p)]
            stmt = tirx.DeclBuffer(stmt.buffer, data=pointers[owner[0]]) if owner else stmt
        statements.append(stmt)
    body = tirx.SeqStmt(statements)
    return tirx.PrimFunc(list(pointers.values()), body, func.ret_type, func.attrs)


def _body(text: str) -> list[str]:
    """TVM's statements, tidied, at four spaces per level."""
    return [
        wrap(tidy_statement(line.strip()), 2 * (len(line) - len(line.lstrip())))
        for line in text.splitlines()
    ]
