"""Proof that a function may write its output over one of its inputs."""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import tirx

from tqs_edge.passes.push_call import IN_PLACE
from tqs_edge.passes.step_calls import StepCall


def reads_only_what_it_replaces(call: StepCall, name: str, update: str) -> bool:
    """Whether the call, a lowered single loop that writes `update`, reads tensor `name` only at the
    index it writes, and not after it has written.

    Then every element is read before it is replaced and never again. A function that hands out
    pointers (a kernel call) proves nothing, unless its kernel's contract says so (IN_PLACE).
    """
    if IN_PLACE in call.func.attrs and call.operands[0] == name:
        return call.operands.count(name) == 1
    # Operands may be arrays, which compare element by element: look at names only.
    places = [i for i, o in enumerate(call.operands) if isinstance(o, str) and o == name]
    source = call.views(places[0])
    target = call.views(len(call.operands) + call.outputs.index(update))
    loops: list[tirx.For] = []
    accesses: list[tirx.BufferStore | tvm.ir.TensorLoad] = []  # in the order of the code
    tvm_ffi.structural_walk(
        call.func.body,
        [
            (tirx.For, lambda loop: loops.append(loop)),
            (tirx.BufferStore, lambda s: accesses.append(s) if s.buffer in target else None),
            (tvm.ir.TensorLoad, lambda e: accesses.append(e) if e.source in source else None),
        ],
    )
    *loads, store = accesses
    if len(places) != 1 or len(loops) > 1 or not isinstance(store, tirx.BufferStore):
        return False
    return not any(isinstance(e, tirx.BufferStore) for e in loads) and all(
        tvm_ffi.structural_equal(e.indices, store.indices) for e in loads
    )
