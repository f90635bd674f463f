"""C identifiers for tensors, and where their elements are found inside tqs_model_step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tqs_edge.passes.assign_storage import StoragePlan
from tqs_edge.passes.step_calls import StepCall

# Parameters of tqs_model_step, its helpers and the words of C99: no local variable may take them.
RESERVED = frozenset(
    "x y exog state arena i auto break case char const continue default do double else enum extern "
    "float for goto if inline int long register restrict return short signed sizeof static struct "
    "switch typedef union unsigned void volatile while int8_t int16_t int32_t int64_t uint8_t "
    "uint16_t uint32_t uint64_t".split()
)


def local_name(tensor: str) -> str:
    """The tensor's name as a C identifier that collides with nothing."""
    return f"{tensor}_" if tensor in RESERVED else tensor


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

    An array is called after the first call that reads it ("tqs_model_gi_weights_0"). Equal ones
    share that name: a layer that a step uses several times is stored once.
    """
    names: dict[tuple[str, int], str] = {}
    known: dict[tuple[str, bytes], str] = {}
    for call in (c for c in storage.calls if isinstance(c, StepCall)):
        for position, array in enumerate(call.operands):
            if isinstance(array, np.ndarray):
                own = f"tqs_model_{call.output}_{call.func.params[position].name}"
                content = str(array.dtype), array.tobytes()
                names[call.output, position] = known.setdefault(content, own)
    return names
