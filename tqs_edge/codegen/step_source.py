"""tqs_model_reset and the straight-line tqs_model_step: one commented call after another."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tqs_edge.codegen.c_names import c_type, constant_names, local_name, pointer
from tqs_edge.codegen.header import state_elements
from tqs_edge.codegen.tidy_c import wrap
from tqs_edge.integer.program import DenseOp, IntegerProgram
from tqs_edge.passes.assign_storage import StoragePlan
from tqs_edge.passes.step_calls import Copy, StepCall

STEP_HEAD = """\
tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y) {
    if (model->ready != TQS_MODEL_READY)
        return TQS_MODEL_NOT_READY;
"""
POINTERS = {
    "state->": "    tqs_model_state *const state = &model->state;",
    "arena +": "    uint8_t *const arena = model->arena->bytes;",
    "w->": "    const struct tqs_model_weights_data *const w = model->weights;",
}


def step_source(storage: StoragePlan, program: IntegerProgram) -> str:
    """The two public functions of model.c."""
    step = STEP_HEAD + _step_body(storage, program) + "    return TQS_MODEL_OK;\n}\n"
    return _reset(storage, program) + "\n" + step


def _reset(storage: StoragePlan, program: IntegerProgram) -> str:
    loops = [
        f"    for (int32_t i = 0; i < {state_elements(storage, s.name)}; ++i) "
        f"state->{local_name(s.name)}[i] = {-program.tensors[s.name].zero_point};"
        for s in program.states
    ]
    body = "\n".join(loops or ["    state->unused = 0;"])
    pointer = POINTERS["state->"]
    return f"void tqs_model_reset(tqs_model_t *model) {{\n{pointer}\n{body}\n}}\n"


def _step_body(storage: StoragePlan, program: IntegerProgram) -> str:
    buffers = [_arena_pointer(storage, b.name) for b in storage.memory.buffers]
    names = constant_names(storage)
    calls = [_call(storage, program, names, call) for call in storage.calls]
    text = "\n".join([*buffers, "", *calls])
    pointers = [line for use, line in POINTERS.items() if re.search(rf"\b{re.escape(use)}", text)]
    unused = [f"    (void){name};" for name in ("x", "exog") if name not in _pointers(storage)]
    return "\n".join([*pointers, *unused, text]) + "\n"


def _pointers(storage: StoragePlan) -> set[str]:
    """The C expressions of all tensors that some call reads."""
    return {pointer(storage, name) for call in storage.calls for name in call.inputs}


def _arena_pointer(storage: StoragePlan, name: str) -> str:
    kind = c_type(storage.tensors[name].bits)
    offset = storage.memory.offsets[name]
    return f"    {kind} *const {local_name(name)} = ({kind} *)(void *)(arena + {offset});"


def _call(
    storage: StoragePlan,
    program: IntegerProgram,
    names: Mapping[tuple[str, int], str],
    call: StepCall | Copy,
) -> str:
    if isinstance(call, Copy):
        tensor = storage.tensors[call.input]
        source, target = pointer(storage, call.input), pointer(storage, call.output)
        return f"    copy_s{tensor.bits}({source}, {target}, {tensor.elements});"
    arguments = [
        pointer(storage, operand)
        if isinstance(operand, str)
        else f"w->{names[call.output, position]}"
        for position, operand in enumerate(call.operands)
    ]
    arguments += [pointer(storage, name) for name in call.outputs]
    opening = f"step_{call.output}("
    statement = wrap(f"{opening}{', '.join(arguments)});", 4, hanging=4 + len(opening))
    comment = wrap(f"/* {_describe(storage, program, call)} */", 4, hanging=7)
    return f"{comment}\n{statement}"


def _describe(storage: StoragePlan, program: IntegerProgram, call: StepCall) -> str:
    """Layer, shapes and bits of a call, for the comment above it."""

    def typed(name: str) -> str:
        tensor = storage.tensors[name]
        return f"{name} {list(tensor.shape)} s{tensor.bits}"

    made, read = (", ".join(map(typed, names)) for names in (call.outputs, call.inputs))
    what = f"{made} from {read}"
    for op in program.ops:
        if isinstance(op, DenseOp) and op.output == call.output:
            rows = ", ".join(f"[{b.begin}:{b.end}] w{b.weight_bits}" for b in op.blocks)
            return f"{op.weight}, rows {rows}: {what}"
    return what
