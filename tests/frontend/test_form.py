"""The rollout form read from a signature, and every signature that has none."""

from __future__ import annotations

import pytest

from tqs_edge.errors import InputError
from tqs_edge.frontend.form import FormSizes, infer_form
from tqs_edge.frontend.signature import StepSignature
from tqs_edge.graph.rollout_model import RolloutForm


def signature(inputs: dict[str, tuple[int, ...]], outputs: list[tuple[int, ...]]) -> StepSignature:
    names = list(inputs)
    exog = "exog" if "exog" in names else None
    states = tuple(name for name in names[1:] if name != exog)
    return StepSignature(
        input=names[0],
        exog=exog,
        states=states,
        positions=tuple(range(len(names))),
        shapes=inputs,
        outputs=tuple(outputs),
    )


@pytest.mark.parametrize(
    ("inputs", "outputs", "want"),
    [
        ({"x": (1, 2)}, [(1, 2)], FormSizes(RolloutForm.MAP, 1, 2, 1, 0)),
        (
            {"x": (1, 2), "h": (2, 1, 4)},
            [(1, 2), (2, 1, 4)],
            FormSizes(RolloutForm.RECURRENT, 1, 2, 1, 0),
        ),
        (
            {"x": (1, 2), "exog": (1, 3), "h": (1, 4)},
            [(1, 2), (1, 4)],
            FormSizes(RolloutForm.RECURRENT, 1, 2, 1, 3),
        ),
        ({"x": (1, 2), "exog": (1, 3)}, [(1, 2)], FormSizes(RolloutForm.MAP, 1, 2, 1, 3)),
        (
            {"w": (1, 8, 2), "exog": (1, 10, 3)},
            [(1, 2, 2)],
            FormSizes(RolloutForm.WINDOWED, 8, 2, 2, 30, 10),
        ),
        ({"w": (1, 8, 2)}, [(1, 3, 2)], FormSizes(RolloutForm.WINDOWED, 8, 2, 3, 0)),
    ],
)
def test_form_and_sizes_follow_from_the_shapes(inputs, outputs, want):
    assert infer_form(signature(inputs, outputs)) == want


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        ({"x": (4, 2)}, [(4, 2)], "batch 1"),
        ({"x": (2,)}, [(2,)], "batch 1"),
        ({"x": (1, 2), "h": (3, 4)}, [(1, 2), (3, 4)], "input 'h' has shape"),
        ({"x": (1, 2), "h": (1, 4)}, [(1, 2), (1, 5)], r"state 'h' goes in as \[1, 4\]"),
        ({"x": (1, 2), "h": (1, 4)}, [(1, 2)], "takes 1 states but returns 0"),
        ({"x": (1, 2)}, [(1, 2), (1, 4)], "takes 0 states but returns 1"),
        ({"x": (1, 2)}, [(1, 3)], r"must be \[1, 2\]"),
        ({"w": (1, 8, 2)}, [(1, 2)], "windowed model with window"),
        ({"w": (1, 8, 2)}, [(1, 9, 2)], "1 <= K <= 8"),
        ({"w": (1, 8, 2), "h": (1, 4)}, [(1, 1, 2), (1, 4)], "next to 1 states"),
        ({"w": (1, 8, 2), "exog": (1, 3)}, [(1, 1, 2)], r"want \[1, R, E\] with R <= 9"),
        ({"w": (1, 8, 2), "exog": (1, 11, 1)}, [(1, 2, 2)], r"want \[1, R, E\] with R <= 10"),
        ({"x": (1, 2), "exog": (1, 3, 1)}, [(1, 2)], r"want \[1, E\]"),
    ],
)
def test_signature_without_a_form_is_refused(inputs, outputs, reason):
    with pytest.raises(InputError, match=reason):
        infer_form(signature(inputs, outputs))


def test_stated_form_must_fit():
    with pytest.raises(InputError, match="'windowed' was asked for, but forward\\(\\) is map"):
        infer_form(signature({"x": (1, 2)}, [(1, 2)]), RolloutForm.WINDOWED)
