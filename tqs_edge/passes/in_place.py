"""Proof that a function may write its output over one of its inputs."""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import tirx

from tqs_edge.passes.step_calls import StepCall


def reads_only_what_it_replaces(call: StepCall, name: str) -> bool:
    """Whether the call, a single loop, reads tensor `name` only at the index it is writing.

    Then every element is read before it is replaced and never again.
    """
    func = call.func
    if not call.operands.count(name) == 1:
        return False
    source = func.params[call.operands.index(name)]
    target = func.params[-1]
    stores: list[tirx.BufferStore] = []
    loads: list[tvm.ir.TensorLoad] = []
    tvm_ffi.structural_walk(
        func.body,
        [
            (tirx.BufferStore, lambda s: stores.append(s) if s.buffer.same_as(target) else None),
            (tvm.ir.TensorLoad, lambda e: loads.append(e) if e.source.same_as(source) else None),
        ],
    )
    externs = "tirx.address_of" in func.script()
    if externs or len(stores) != 1:
        return False
    return all(_same(load.indices, stores[0].indices) for load in loads)


def _same(a: object, b: object) -> bool:
    return bool(tvm.ir.structural_equal(a, b))
