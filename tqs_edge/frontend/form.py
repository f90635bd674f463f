"""Which rollout form a step signature has, with its sizes."""

from __future__ import annotations

from dataclasses import dataclass

from tqs_edge.errors import InputError
from tqs_edge.frontend.signature import StepSignature
from tqs_edge.graph.rollout_model import RolloutForm

FORMS = (
    "recurrent forward(x[1,F], *state) -> (y[1,F], *state), "
    "windowed forward(window[1,L,F]) -> y[1,K,F], or map forward(x[1,F]) -> y[1,F]"
)


@dataclass(frozen=True)
class FormSizes:
    """A rollout form and its sizes: L, F, K, E and rows of exog as in `RolloutModel`."""

    form: RolloutForm
    length: int
    features: int
    block: int
    exog: int
    exog_rows: int = 1

    @property
    def context_length(self) -> int:
        """Rows of context that a rollout needs at least."""
        return self.length

    @property
    def least_context(self) -> int:
        """Rows of context that have to be known."""
        return self.length

    @property
    def exog_lead(self) -> int:
        """Moments from the newest row that a call takes to its newest exogenous row."""
        return self.block if self.form is RolloutForm.WINDOWED else 0


def infer_form(signature: StepSignature, stated: RolloutForm | None = None) -> FormSizes:
    """The form and sizes of a step; InputError when it has none or not the stated one."""
    _check_batch(signature)
    form = _form_of(signature)
    if stated is not None and stated is not form:
        raise InputError(f"form '{stated}' was asked for, but forward() is {form}; want {FORMS}")
    if form is RolloutForm.WINDOWED:
        return _windowed(signature)
    return _one_row(signature, form)


def _check_batch(signature: StepSignature) -> None:
    for name in signature.placeholders:
        shape = signature.shapes[name]
        batch_first = name == signature.input or name == signature.exog
        if not shape or (shape[0] != 1 if batch_first else 1 not in shape):
            raise InputError(
                f"input '{name}' has shape {list(shape)}; export with batch 1: one rollout"
            )


def _form_of(signature: StepSignature) -> RolloutForm:
    rank = len(signature.shapes[signature.input])
    if signature.states and rank == 2:
        return RolloutForm.RECURRENT
    if not signature.states and rank == 3:
        return RolloutForm.WINDOWED
    if not signature.states and rank == 2:
        return RolloutForm.MAP
    shape = list(signature.shapes[signature.input])
    raise InputError(
        f"input '{signature.input}' has shape {shape} next to {len(signature.states)} states; "
        f"want {FORMS}"
    )


def _windowed(signature: StepSignature) -> FormSizes:
    _, length, features = signature.shapes[signature.input]
    _check_output_count(signature)
    output = signature.outputs[0]
    if len(output) != 3 or output[0] != 1 or output[2] != features or not 0 < output[1] <= length:
        raise InputError(
            f"the output has shape {list(output)}; a windowed model with window "
            f"[1, {length}, {features}] returns [1, K, {features}] with 1 <= K <= {length}"
        )
    if signature.exog is None:
        return FormSizes(RolloutForm.WINDOWED, length, features, output[1], 0)
    shape, most = signature.shapes[signature.exog], length + output[1]
    if len(shape) != 3 or not 0 < shape[1] <= most:
        raise InputError(
            f"input 'exog' has shape {list(shape)}, want [1, R, E] with R <= {most}: the rows "
            "known in advance up to the last one forecast; window and forecast have L + K"
        )
    return FormSizes(
        RolloutForm.WINDOWED, length, features, output[1], shape[1] * shape[2], shape[1]
    )


def _one_row(signature: StepSignature, form: RolloutForm) -> FormSizes:
    features = signature.shapes[signature.input][1]
    exog = 0
    if signature.exog is not None:
        shape = signature.shapes[signature.exog]
        if len(shape) != 2:
            raise InputError(f"input 'exog' has shape {list(shape)}, want [1, E]")
        exog = shape[1]
    _check_output_count(signature)
    output = signature.outputs[0]
    if output != (1, features):
        raise InputError(
            f"the output has shape {list(output)}, but the input has {features} features; "
            f"the output is the next input, so it must be [1, {features}]"
        )
    for name, got in zip(signature.states, signature.outputs[1:], strict=True):
        want = signature.shapes[name]
        if got != want:
            raise InputError(
                f"state '{name}' goes in as {list(want)} and comes back as {list(got)}; "
                "return the states in the order of the arguments, in the same shapes"
            )
    return FormSizes(form, 1, features, 1, exog)


def _check_output_count(signature: StepSignature) -> None:
    returned = len(signature.outputs) - 1
    if returned != len(signature.states):
        raise InputError(
            f"forward() takes {len(signature.states)} states but returns {returned} after the "
            "output; return (y, *states)"
        )
