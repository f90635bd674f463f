"""model.h: dimensions, scales, the state and the two functions of the package."""

from __future__ import annotations

from tqs_edge.codegen.c_names import c_type, local_name
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.assign_storage import PADDING, StoragePlan

TEMPLATE = """\
#ifndef TQS_MODEL_H
#define TQS_MODEL_H

#include "tqs_fixed.h"

#define TQS_MODEL_LENGTH {length} /* L, rows of x */
#define TQS_MODEL_FEATURES {features} /* F, columns of x and y */
#define TQS_MODEL_BLOCK {block} /* K, rows of y */
#define TQS_MODEL_EXOG {exog} /* E, exogenous values per call */
#define TQS_MODEL_INPUTS {inputs} /* L * F */
#define TQS_MODEL_OUTPUTS {outputs} /* K * F */
#define TQS_MODEL_ARENA_BYTES {arena}
#define TQS_MODEL_RECURRENT {recurrent} /* 1: x is L new rows; 0: a window */
#define TQS_MODEL_HASH "{model_hash}"

/* real value = integer * scale, for x and y */
#define TQS_MODEL_SCALE {scale}
{exog_scale}
/* What a step carries to the next; padded and aligned for the kernels. */
typedef struct {{
{members}
}} tqs_model_state;

/* Puts the model into its initial state: zeros. */
void tqs_model_reset(tqs_model_state *state);

/* One step: reads x (L * F){exog_reads}, writes y (K * F), replaces the state.
   arena: TQS_MODEL_ARENA_BYTES of scratch, 8-byte aligned, nothing kept in it between calls.
   x, exog and y need no padding or alignment; none of the arrays may overlap.{exog_null} */
void tqs_model_step(tqs_model_state *state, uint8_t *arena, const int16_t *x, const int16_t *exog,
                    int16_t *y);

#endif
"""


def model_header(
    storage: StoragePlan, program: IntegerProgram, model: RolloutModel, model_hash: str
) -> str:
    """The text of model.h, without its provenance line."""
    exog_scale = ""
    if program.exog is not None:
        scale = float(program.tensors[program.exog].scale)
        exog_scale = f"#define TQS_MODEL_EXOG_SCALE {scale!r}\n"
    return TEMPLATE.format(
        length=model.length,
        features=model.features,
        block=model.block,
        exog=model.exog,
        inputs=model.length * model.features,
        outputs=model.block * model.features,
        arena=storage.memory.arena_bytes,
        recurrent=int(model.form is not RolloutForm.WINDOWED),
        model_hash=model_hash,
        scale=repr(float(program.tensors[program.input].scale)),
        exog_scale=exog_scale,
        exog_reads=" and exog (E)" if program.exog else "",
        exog_null="" if program.exog else " exog may be NULL.",
        members=_members(storage, program),
    )


def state_bytes(storage: StoragePlan, program: IntegerProgram) -> int:
    """sizeof(tqs_model_state)."""
    sizes = [
        state_elements(storage, state.name) * storage.tensors[state.name].bits // 8
        for state in program.states
    ]
    return sum(sizes) or 1


def state_elements(storage: StoragePlan, name: str) -> int:
    """Elements of a state's array, padding included: all of them are readable."""
    elements = max(storage.tensors[name].elements, storage.padded_reads.get(name, 0))
    return -(-elements // PADDING) * PADDING


def _members(storage: StoragePlan, program: IntegerProgram) -> str:
    if not program.states:
        return "    uint8_t unused; /* the model carries nothing */"
    lines = []
    for state in program.states:
        tensor = storage.tensors[state.name]
        array = f"{local_name(state.name)}[{state_elements(storage, state.name)}]"
        comment = f"/* {tensor.elements} used, scale {program.tensors[state.name].scale!r} */"
        lines.append(f"    TQS_ALIGN(4) {c_type(tensor.bits)} {array}; {comment}")
    return "\n".join(lines)
