"""Loops become one where the second reads what the first makes.

relax.FuseOps ends a chain at every tensor that something else needs as well: a state, the copy that
a dense kernel reads. What other loops compute of such a tensor goes into its loop here, which then
has several outputs and hands each element on in a register.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from tqs_edge.codegen.c_names import identifier
from tqs_edge.codegen.lanes import lanes_loop
from tqs_edge.codegen.tir_to_c import pointer_parameters
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.assign_storage import StoragePlan, assign_storage
from tqs_edge.passes.lower_loops import LOOP_VARIABLE, scalar_intermediates
from tqs_edge.passes.step_calls import StepCall, StepCalls, step_calls


def emitted_calls(module: tvm.IRModule, program: IntegerProgram) -> StepCalls:
    """The calls of a step as its C code makes them; module: from passes.lower."""
    return join_loops(step_calls(module, program))


def join_loops(step: StepCalls) -> StepCalls:
    """The step with loops joined where that costs neither a byte of the arena nor a copy.

    A call moves forward to the one it joins. Loops on lanes and others stay apart.
    """
    storage = assign_storage(step)
    position = 1
    while position < len(step.calls):
        for before in reversed(range(position)):
            joined = _joined_at(step, before, position)
            changed = None if joined is None else assign_storage(joined)
            if joined is not None and changed is not None and _is_no_dearer(changed, storage):
                step, storage = joined, changed
                break
        else:
            position += 1
    return step


def _is_no_dearer(changed: StoragePlan, storage: StoragePlan) -> bool:
    fewer = len(changed.calls) < len(storage.calls)
    return fewer and changed.memory.arena_bytes <= storage.memory.arena_bytes


def _joined_at(step: StepCalls, before: int, position: int) -> StepCalls | None:
    """The step with call `position` joined to call `before`; None where that is not possible."""
    first, second = step.calls[before], step.calls[position]
    between = {name for call in step.calls[before + 1 : position] for name in call.outputs}
    if between & set(second.inputs) or not set(first.outputs) & set(second.inputs):
        return None
    others = [c for i, c in enumerate(step.calls) if i not in (before, position)]
    needed = {step.output, *step.updates, *(name for c in others for name in c.inputs)}
    call = joined_call(first, second, needed)
    if call is None:
        return None
    calls = (*step.calls[:before], call, *step.calls[before + 1 : position])
    return replace(step, calls=(*calls, *step.calls[position + 1 :]))


def joined_call(first: StepCall, second: StepCall, needed: Collection[str]) -> StepCall | None:
    """One loop that does what two do, and of what first makes writes the tensors that are `needed`.

    None where one is no single loop, their extents differ, only one is on lanes, or second reads
    other elements of first's tensors than that of its own pass.
    """
    parts = tuple(part for call in (first, second) for part in call.parts or (call,))
    loops = [loop for part in parts if (loop := _single_loop(part)) is not None]
    if len(loops) < len(parts) or len({int(loop.extent) for loop in loops}) != 1:
        return None
    on_lanes = _on_lanes(first)
    if _on_lanes(second) != on_lanes:
        return None
    body = _JoinedBody(parts)
    for part, loop in zip(parts, loops, strict=True):
        if not _reads_own_elements(part, loop, body.made):
            return None
        body.add(part, loop)
    call = body.call(needed, loops[-1])
    return call if _on_lanes(call) == on_lanes else None


def _statements(body: tirx.Stmt) -> Sequence[tirx.Stmt]:
    return tuple(body.seq) if isinstance(body, tirx.SeqStmt) else (body,)


def _single_loop(call: StepCall) -> tirx.For | None:
    """The loop of a call that is nothing but one, of assignments."""
    *views, loop = _statements(call.func.body)
    if not isinstance(loop, tirx.For) or not all(isinstance(v, tirx.DeclBuffer) for v in views):
        return None
    simple = (tirx.Bind, tirx.BufferStore)
    return loop if all(isinstance(line, simple) for line in _statements(loop.body)) else None


def _on_lanes(call: StepCall) -> bool:
    return lanes_loop(pointer_parameters(call.func)) is not None


def _reads_own_elements(call: StepCall, loop: tirx.For, made: Mapping[str, tirx.Buffer]) -> bool:
    """Whether the call reads of the tensors in `made` nothing but the element of each pass."""
    places = [i for i, o in enumerate(call.operands) if isinstance(o, str) and o in made]
    views = [view for place in places for view in call.views(place)]
    params = [call.func.params[place] for place in places]
    found: list[bool] = []

    def load(access: tvm.ir.TensorLoad) -> None:
        if access.source in views:
            found.append(all(loop.loop_var.same_as(index) for index in access.indices))

    def pointer(var: tirx.Var) -> None:
        if any(var.same_as(param) for param in params):
            found.append(False)

    tvm_ffi.structural_walk(loop.body, [(tvm.ir.TensorLoad, load), (tirx.Var, pointer)])
    return all(found)


class _JoinedBody:
    """The loop of several calls, which write different tensors."""

    def __init__(self, parts: Sequence[StepCall]) -> None:
        self.parts = tuple(parts)
        self.made: dict[str, tirx.Buffer] = {}  # tensor -> its element, in a register
        self.tensors: dict[str, tirx.Var] = {}
        self.arrays: list[tuple[tirx.Var, np.ndarray]] = []
        self.views: list[tuple[str | None, tirx.DeclBuffer]] = []  # of tensors and of arrays
        self.lines: list[tuple[str | None, tirx.Stmt]] = []  # with the tensor that is written
        self.index = tirx.Var(LOOP_VARIABLE, "int32")
        names = (name for part in parts for name in (*part.inputs, *part.outputs))
        self.taken = {LOOP_VARIABLE, *map(identifier, names)}

    def add(self, call: StepCall, loop: tirx.For) -> None:
        """Appends the statements of a call."""
        names: dict[tirx.Buffer, str | None] = {}
        renamed: dict[tirx.Var, tirx.Var] = {loop.loop_var: self.index}
        for place, operand in enumerate((*call.operands, *call.outputs)):
            param = call.func.params[place]
            renamed[param] = self._parameter(param, operand)
            name = operand if isinstance(operand, str) else None
            names |= dict.fromkeys(call.views(place), name)
        for line in _statements(loop.body):
            if isinstance(line, tirx.Bind):
                renamed[line.var] = tirx.Var(self._unique(str(line.var.name)), line.var.ty)
        changes = [
            (tvm.ir.TensorLoad, lambda e: self._element(e, names.get(e.source))),
            (tirx.Var, lambda v: renamed.get(v, v)),
        ]
        *views, _ = _statements(call.func.body)
        for view in views:
            if names[view.buffer] not in self.made:
                changed = tvm_ffi.structural_map(view, changes)
                self.views.append((names[view.buffer], changed))
        for line in _statements(loop.body):
            changed = tvm_ffi.structural_map(line, changes)
            name = names.get(line.buffer) if isinstance(line, tirx.BufferStore) else None
            self.lines.extend([(None, changed)] if name is None else self._stored(name, changed))

    def call(self, needed: Collection[str], loop: tirx.For) -> StepCall:
        """The joined call, which writes the last part's tensor and those that are `needed`."""
        output = self.parts[-1].output
        made = [name for part in self.parts for name in part.outputs]
        others = tuple(name for name in made if name in needed and name != output)
        gone = {*made} - {*others, output}
        inputs = {n: v for n, v in self.tensors.items() if n not in made}
        params = [*inputs.values(), *(v for v, _ in self.arrays)]
        params += [self.tensors[name] for name in (*others, output)]
        lines = [line for name, line in self.lines if name not in gone]
        body = tirx.For(self.index, 0, loop.extent, loop.kind, tirx.SeqStmt(lines))
        views = [view for name, view in self.views if name not in gone]
        last = self.parts[-1].func
        func = tirx.PrimFunc(params, tirx.SeqStmt([*views, body]), last.ret_type, last.attrs)
        func = scalar_intermediates(func.with_attr("tqs.tensor", output))
        operands: tuple[str | np.ndarray, ...] = (*inputs, *(array for _, array in self.arrays))
        return StepCall(func, operands, output, others, self.parts)

    def _element(self, load: tvm.ir.TensorLoad, name: str | None) -> tirx.Expr:
        return self.made[name][0] if name in self.made else load

    def _stored(self, name: str, line: tirx.BufferStore) -> Iterable[tuple[str | None, tirx.Stmt]]:
        """The statement, by way of a register where another part reads the element."""
        if not any(name in part.inputs for part in self.parts):
            yield name, line
            return
        own = self._unique(f"{name}_now")
        kept = tirx.decl_buffer((1,), str(line.buffer.dtype), name=own, scope="local")
        self.made[name] = kept
        yield None, tirx.BufferStore(kept, line.value, [0])
        yield name, tirx.BufferStore(line.buffer, kept[0], line.indices)

    def _parameter(self, param: tirx.Var, operand: str | np.ndarray) -> tirx.Var:
        if isinstance(operand, str):
            return self.tensors.setdefault(operand, tirx.Var(operand, param.ty))
        own = tirx.Var(self._unique(str(param.name)), param.ty)
        self.arrays.append((own, operand))
        return own

    def _unique(self, name: str) -> str:
        own, number = name, 2
        while own in self.taken:
            own, number = f"{name}_{number}", number + 1
        self.taken.add(own)
        return own
