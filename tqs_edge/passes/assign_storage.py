"""Where every tensor lives: the caller's x, exog and y, the state, or the arena."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tqs_edge.passes.in_place import reads_only_what_it_replaces
from tqs_edge.passes.plan_memory import Buffer, MemoryPlan, plan_memory
from tqs_edge.passes.step_calls import Copy, StepCall, StepCalls, TensorShape

PADDING = 16  # dense kernels read up to a multiple of this many elements


@dataclass(frozen=True, eq=False)
class StoragePlan:
    """calls: the step with the copies that storage needs, in order.

    arguments: tensor -> parameter of the step that holds it ("x", "exog", "y"). in_state: tensor
    -> state variable whose memory holds it. All other tensors are in the arena. padded_reads:
    elements that dense kernels read of a tensor, where they read it.
    """

    calls: tuple[StepCall | Copy, ...]
    arguments: Mapping[str, str]
    in_state: Mapping[str, str]
    memory: MemoryPlan
    tensors: Mapping[str, TensorShape]
    padded_reads: Mapping[str, int]


def assign_storage(step: StepCalls) -> StoragePlan:
    """The storage of one step.

    Copies x or exog to the arena where a dense kernel reads them (the caller's arrays are neither
    padded nor aligned). A state is updated in place where provably no old element is needed after
    it is replaced; otherwise the new state is made in the arena and copied at the end.
    """
    tensors = dict(step.tensors)
    arguments = dict(zip(step.inputs, ("x", "exog"), strict=False))
    calls = _stage_inputs(step, tensors)
    produced = {name for call in calls for name in call.outputs}
    padded = _padded_reads(calls)

    in_state = {state: state for state in step.states}
    late: list[Copy] = []
    for state, update in zip(step.states, step.updates, strict=True):
        if _in_place(calls, step, state, update, in_state):
            in_state[update] = state
            continue
        source = update
        if update not in produced:  # an old state or an input: save it before anything changes
            source = f"{state}_next"
            tensors[source] = tensors[update]
            calls = [Copy(update, source), *calls]
        late.append(Copy(source, f"{state}@state"))
        in_state[f"{state}@state"] = state

    output_copy: list[Copy] = []
    if step.output in produced and step.output not in padded and step.output not in in_state:
        arguments[step.output] = "y"
    else:
        arguments["y@argument"] = "y"
        output_copy = [Copy(step.output, "y@argument")]
        if step.output not in produced and step.output in step.states:
            calls, output_copy = [*output_copy, *calls], []
    sequence = (*calls, *output_copy, *late)
    padded_reads = _padded_reads(sequence)
    buffers = _buffers(sequence, {*arguments, *in_state}, tensors, padded_reads)
    memory = plan_memory(buffers)
    return StoragePlan(sequence, arguments, in_state, memory, tensors, padded_reads)


def _stage_inputs(step: StepCalls, tensors: dict[str, TensorShape]) -> list[StepCall | Copy]:
    """The calls, with arena copies of the caller's arrays that dense kernels read."""
    copies: list[StepCall | Copy] = []
    calls: list[StepCall | Copy] = []
    for call in step.calls:
        name = call.operands[0] if call.padded_input else None
        if isinstance(name, str) and name in step.inputs:
            staged = f"{name}_staged"
            if staged not in tensors:
                tensors[staged] = tensors[name]
                copies.append(Copy(name, staged))
            call = replace(call, operands=(staged, *call.operands[1:]))
        calls.append(call)
    return copies + calls


def _in_place(
    calls: Sequence[StepCall | Copy],
    step: StepCalls,
    state: str,
    update: str,
    in_state: Mapping[str, str],
) -> bool:
    """Whether `update` may be written over `state` as it is produced."""
    makers = [index for index, call in enumerate(calls) if update in call.outputs]
    if not makers or update in in_state or state == step.output or state in step.updates:
        return False
    readers = [index for index, call in enumerate(calls) if state in call.inputs]
    maker = calls[makers[0]]
    if any(index > makers[0] for index in readers):
        return False
    return makers[0] not in readers or (
        isinstance(maker, StepCall) and reads_only_what_it_replaces(maker, state, update)
    )


def _padded_reads(calls: Sequence[StepCall | Copy]) -> dict[str, int]:
    """Elements that dense kernels read, by the tensor they read."""
    reads: dict[str, int] = {}
    for call in calls:
        if isinstance(call, StepCall) and call.padded_input:
            name = call.inputs[0]
            reads[name] = max(reads.get(name, 0), call.padded_input)
    return reads


def _buffers(
    calls: Sequence[StepCall | Copy],
    elsewhere: set[str],
    tensors: Mapping[str, TensorShape],
    padded_reads: Mapping[str, int],
) -> list[Buffer]:
    """Arena buffers with their lifetimes, in the order in which they are made."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for index, call in enumerate(calls):
        for name in (*call.inputs, *call.outputs):
            if name not in elsewhere:
                first.setdefault(name, index)
                last[name] = index

    def size(name: str) -> int:
        elements = max(tensors[name].elements, padded_reads.get(name, 0))
        return -(-elements // PADDING) * PADDING * tensors[name].bits // 8

    return [Buffer(name, size(name), first[name], last[name]) for name in first]
