"""Proof that a function may write its output over one of its inputs."""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import tirx

from tqs_edge.passes.push_call import IN_PLACE
from tqs_edge.passes.step_calls import StepCall


def reads_only_what_it_replaces(call: StepCall, name: str) -> bool:
    """Whether the call, a lowered single loop, reads tensor `name` only at the index it writes.

    Then every element is read before it is replaced and never again. A function that hands out
    pointers (a kernel call) proves nothing, unless its kernel's contract says so (IN_PLACE).
    """
    func = call.func
    if IN_PLACE in func.attrs and call.operands[0] == name:
        return call.operands.count(name) == 1
    loops: list[tirx.For] = []
    stores: list[tirx.BufferStore] = []
    loads: list[tvm.ir.TensorLoad] = []
    # Operands may be arrays, which compare element by element: look at names only.
    places = [i for i, o in enumerate(call.operands) if isinstance(o, str) and o == name]
    source = _views(func, func.params[places[0]])
    target = _views(func, func.params[-1])
    tvm_ffi.structural_walk(
        func.body,
        [
            (tirx.For, lambda loop: loops.append(loop)),
            (tirx.BufferStore, lambda s: stores.append(s) if s.buffer in target else None),
            (tvm.ir.TensorLoad, lambda e: loads.append(e) if e.source in source else None),
        ],
    )
    if len(places) != 1 or len(stores) != 1 or len(loops) > 1:
        return False
    return all(tvm_ffi.structural_equal(e.indices, stores[0].indices) for e in loads)


def _views(func: tirx.PrimFunc, param: tirx.Var) -> list[tirx.Buffer]:
    """The flat buffers that the lowered function declares over a parameter."""
    return [
        stmt.buffer
        for stmt in func.body.seq
        if isinstance(stmt, tirx.DeclBuffer) and stmt.data.args[0].same_as(param)
    ]
