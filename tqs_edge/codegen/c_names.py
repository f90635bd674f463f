"""C identifiers for tensors, and where their elements are found inside tqs_model_step."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from tqs_edge.graph.reserved_names import is_reserved
from tqs_edge.passes.assign_storage import StoragePlan
from tqs_edge.passes.lower_loops import LOOP_VARIABLE
from tqs_edge.passes.step_calls import StepCall

# Parameters and pointers of tqs_model_step, its loop variable and functions it calls: no local
# variable may take their names.
IN_STEP = re.compile(r"(model|x|y|exog|state|arena|w|i|step_\w+|copy_s\d+)$")


def identifier(tensor: str) -> str:
    """The tensor's name as a C identifier that no keyword, type, kernel or loop variable has."""
    taken = is_reserved(tensor) or tensor.endswith("_") or tensor == LOOP_VARIABLE
    return f"{tensor}_" if taken else tensor


def local_name(tensor: str) -> str:
    """The tensor's name as a variable of tqs_model_step that collides with nothing."""
    return f"{tensor}_" if IN_STEP.match(tensor) else identifier(tensor)


def c_type(bits: int) -> str:
    """int8_t, int16_t or int32_t."""
    return f"int{bits}_t"


def pointer(storage: StoragePlan, tensor: str) -> str:
    """The C expression that points to the tensor's first element."""
    if tensor in storage.arguments:
        return storage.arguments[tensor]
    if tensor in storage.in_state:
        return f"state->{local_name(storage.in_state[tensor])}"
    return local_name(tensor)


def constant_names(storage: StoragePlan) -> Mapping[tuple[str, int], str]:
    """The names of the arrays that calls read, by output of the call and position of the operand.

    An array is called after the first call that reads it ("gi_weights_0"). Equal ones share that
    name, unless only one is 8-bit weights: a layer that a step uses several times is stored once.
    """
    names: dict[tuple[str, int], str] = {}
    known: dict[tuple[str, bool, bytes], str] = {}
    for call in (c for c in storage.calls if isinstance(c, StepCall)):
        for position, array in enumerate(call.operands):
            if isinstance(array, np.ndarray):
                own = f"{call.output}_{call.func.params[position].name}"
                content = str(array.dtype), position in call.byte_weights, array.tobytes()
                names[call.output, position] = known.setdefault(content, own)
    return names
