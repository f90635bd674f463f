"""model.h: dimensions, scales, an instance and what can be done with it."""

from __future__ import annotations

from tqs_edge.codegen.c_names import c_type, local_name
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.assign_storage import PADDING, StoragePlan

TEMPLATE = """\
#ifndef TQS_MODEL_H
#define TQS_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define TQS_MODEL_LENGTH {length} /* L, rows of x */
#define TQS_MODEL_FEATURES {features} /* F, columns of x and y */
#define TQS_MODEL_BLOCK {block} /* K, rows of y */
#define TQS_MODEL_EXOG {exog} /* E, exogenous values per call */
#define TQS_MODEL_INPUTS {inputs} /* L * F */
#define TQS_MODEL_OUTPUTS {outputs} /* K * F */
#define TQS_MODEL_RECURRENT {recurrent} /* 1: x is L new rows; 0: a window */
#define TQS_MODEL_ARENA_BYTES {arena} /* scratch memory of a step */
#define TQS_MODEL_STATE_BYTES {state} /* what a step carries to the next */
#define TQS_MODEL_SNAPSHOT_BYTES {snapshot} /* a saved state */
#define TQS_MODEL_WEIGHTS_BYTES {weights} /* a weights image */
#define TQS_MODEL_HASH "{model_hash}"
#define TQS_MODEL_PROGRAM "{program_id}" /* names the images that fit */

/* real value = integer * scale, for x and y */
#define TQS_MODEL_SCALE {scale}
{exog_scale}
typedef enum {{
    TQS_MODEL_OK = 0,
    TQS_MODEL_NOT_READY = 1,    /* init has not accepted weights for this instance */
    TQS_MODEL_BAD_ARGUMENT = 2, /* NULL, misaligned, or a count that cannot be */
    TQS_MODEL_NO_WEIGHTS = 3,   /* no weights image, or one of another format */
    TQS_MODEL_OTHER_MODEL = 4,  /* an image or a snapshot of another program */
    TQS_MODEL_CORRUPT = 5,      /* the CRC-32 of an image or a snapshot is wrong */
    TQS_MODEL_UNSIGNED = 6      /* the caller's verifier refused the image */
}} tqs_model_status;

/* Scratch of a step: nothing is kept in it between calls. Instances may share one where their
   steps never run at the same time. */
typedef union {{
    int64_t alignment;
    uint8_t bytes[{arena_array}];
}} tqs_model_arena;

#define TQS_MODEL_ALIGNED __attribute__((aligned(4)))

/* What a step carries to the next; padded and aligned for the kernels. */
typedef struct {{
{members}
}} tqs_model_state;

/* One instance: any number can live side by side. The fields belong to the functions below. */
typedef struct {{
    uint32_t ready;
    tqs_model_arena *arena;
    const struct tqs_model_weights_data *weights;
    tqs_model_state state;
}} tqs_model_t;

/* The weights of this package; leave it unnamed, and the linker drops it. */
extern const struct tqs_model_image tqs_model_weights;

/* Puts an instance into its initial state on a weights image: &tqs_model_weights, or
   TQS_MODEL_WEIGHTS_BYTES bytes at a multiple of 8 that a field update has put elsewhere; Armv6-M
   may have a format of its own. Header and CRC-32 are checked here and never again: the image must
   stay as it is while in use.
   Returns OK, BAD_ARGUMENT, NO_WEIGHTS, OTHER_MODEL or CORRUPT; unless it is OK, the instance
   refuses to step. */
tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights);

/* Says whether an image is to be trusted: 1 yes, else no. `user` comes from the caller. */
typedef int (*tqs_model_verifier)(const void *image, uint32_t bytes, void *user);

/* As init, and asks `verify` last, about an image that is otherwise in order: UNSIGNED where it
   says no. */
tqs_model_status tqs_model_init_verified(tqs_model_t *model, tqs_model_arena *arena,
                                         const void *weights, tqs_model_verifier verify,
                                         void *user);

/* Back to the initial state: zeros. */
void tqs_model_reset(tqs_model_t *model);

/* One step: reads x (L * F){exog_reads}, writes y (K * F), replaces the state. Returns OK or
   NOT_READY. x, exog and y need no padding or alignment, and may not overlap.{exog_null} */
tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y);

/* A rollout within one array of rows of F values: context_rows >= L of them are given, the next
   `horizon` are written. Goes on from the state as it is: reset first for a new rollout.
   horizon: >= 1, a multiple of K. exog: E values for each of the
   {calls} calls.{exog_null}
   Returns OK, NOT_READY or BAD_ARGUMENT. */
tqs_model_status tqs_model_rollout(tqs_model_t *model, int16_t *rows, int32_t context_rows,
                                   int32_t horizon, const int16_t *exog);

/* Writes the state to TQS_MODEL_SNAPSHOT_BYTES bytes of any alignment; restored, the rollout goes
   on as if it had never stopped. Returns OK or NOT_READY. */
tqs_model_status tqs_model_save(const tqs_model_t *model, void *snapshot);

/* Takes a saved state over. Returns OK, NOT_READY, OTHER_MODEL or CORRUPT; unless it is OK, the
   state stays as it was. */
tqs_model_status tqs_model_restore(tqs_model_t *model, const void *snapshot);

#ifdef __cplusplus
}}
#endif

#endif
"""

EXOG_ROWS = """
/* Rows of exog, oldest first, E / TQS_MODEL_EXOG_ROWS values each. The last one is of the moment
   that the last row of y is of. */
#define TQS_MODEL_EXOG_ROWS {rows}
"""

EARLIER_EXOG = """
/* Frames also depend on exogenous rows of the first of {known} context rows: the steps before those
   that take them take zeros as x, so that context_rows is {needed} or more. */
"""

SNAPSHOT_HEADER_BYTES = 20  # program[4], crc32


def model_header(
    storage: StoragePlan,
    program: IntegerProgram,
    model: RolloutModel,
    *,
    weights: int,
    model_hash: str,
    program_id: str,
) -> str:
    """The text of model.h, without its provenance line. weights: bytes of an image."""
    recurrent = model.form is not RolloutForm.WINDOWED
    arena, state = storage.memory.arena_bytes, state_bytes(storage, program)
    return TEMPLATE.format(
        length=model.length,
        features=model.features,
        block=model.block,
        exog=model.exog,
        inputs=model.length * model.features,
        outputs=model.block * model.features,
        arena=arena,
        arena_array="TQS_MODEL_ARENA_BYTES" if arena else "1",
        state=state,
        snapshot=SNAPSHOT_HEADER_BYTES + state,
        weights=weights,
        recurrent=int(recurrent),
        calls=_calls(model),
        model_hash=model_hash,
        program_id=program_id,
        scale=repr(float(program.tensors[program.input].scale)),
        exog_scale="" if program.exog is None else _exog_scale(program, model),
        exog_reads=" and exog (E)" if program.exog else "",
        exog_null="" if program.exog else " exog may be NULL.",
        members=_members(storage, program),
    )


def _calls(model: RolloutModel) -> str:
    """How many calls a rollout makes, as a C expression."""
    if model.form is RolloutForm.WINDOWED:
        return "horizon / K"
    if model.exog and model.block > 1:
        return "context_rows / K + horizon / K - 1"
    return "context_rows + horizon - 1"


def _exog_scale(program: IntegerProgram, model: RolloutModel) -> str:
    """The scale of exogenous values and, unless they are one row of the call, whose they are."""
    assert program.exog is not None
    text = f"#define TQS_MODEL_EXOG_SCALE {float(program.tensors[program.exog].scale)!r}\n"
    if not model.exog_lead:
        return text
    text += EXOG_ROWS.format(rows=model.exog_rows)
    if model.context_length > model.least_context:
        text += EARLIER_EXOG.format(known=model.least_context, needed=model.context_length)
    return text


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
        lines.append(f"    TQS_MODEL_ALIGNED {c_type(tensor.bits)} {array}; {comment}")
    return "\n".join(lines)
