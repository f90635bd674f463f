"""Masks of minus infinities on scores, as finite numbers."""

from __future__ import annotations

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.values import Condition, Constant, Operand, Value

aten = torch.ops.aten
# Zero weight whatever the scores, and finite; integer.masked_scores raises it to what fits theirs.
MASKED = -1e4

SOFTMAX = (aten._softmax.default, aten.softmax.int, aten._safe_softmax.default)
PASSED_ON = (
    aten.view.default,
    aten.reshape.default,
    aten.clone.default,
    aten.unsqueeze.default,
    aten.squeeze.dims,
    aten.permute.default,
)
MASKING = (aten.where.self, aten.masked_fill.Scalar, aten.add.Tensor)
SCALING = (aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor, aten.div.Scalar)


def only_softmax_reads(node: torch.fx.Node) -> bool:
    """Whether scores go into softmaxes and nowhere else."""
    return bool(node.users) and all(
        user.target in SOFTMAX
        or ((user.target in (*PASSED_ON, *MASKING) or _scales(user)) and only_softmax_reads(user))
        for user in node.users
    )


def _scales(user: torch.fx.Node) -> bool:
    """Whether scores are multiplied by a number above zero."""
    by = user.args[1] if user.target in SCALING else 0
    return isinstance(by, int | float) and by > 0


def hides(fill: Operand | Condition) -> bool:
    """Whether scores of this value count nothing beside any others: -1e9, -inf, the least float."""
    if isinstance(fill, Constant):
        return bool((fill.value <= MASKED).all())
    return isinstance(fill, int | float) and fill <= MASKED


def add_mask(e: Emitter, scores: torch.fx.Node, mask: Constant) -> Value:
    """scores + mask, together with a mask that the scores had before."""
    bounded = masked_scores(mask)
    inner, first = _unmasked(e, scores)
    if first is not None:
        bounded = Constant((first.value + bounded.value).clamp(min=MASKED), mask.path)
    return e.binary(aten.add.Tensor, inner, bounded)


def scaled_scores(e: Emitter, scores: torch.fx.Node, factor: float) -> Value | None:
    """(scores + mask) * factor as scores * factor + mask; None where there is no mask."""
    inner, mask = _unmasked(e, scores)
    if mask is None or factor <= 0:
        return None
    value = torch.where(mask.value <= MASKED, MASKED, mask.value * factor)
    return e.binary(aten.add.Tensor, e.affine(inner, factor), Constant(value, mask.path))


def _unmasked(e: Emitter, scores: torch.fx.Node) -> tuple[torch.fx.Node, Constant | None]:
    """(scores, mask) before a mask was added; the second None where none was."""
    if scores.target is aten.add.Tensor and isinstance(scores.args[1], torch.fx.Node):
        inner, mask = scores.args[0], e.constants.get(scores.args[1])
        assert isinstance(inner, torch.fx.Node)
        if mask is not None and bool((mask.value <= MASKED).any()):
            return inner, mask
    return scores, None


def masked_scores(mask: Constant) -> Constant:
    """What is added to scores: MASKED for every number below it, minus infinity included."""
    return Constant(mask.value.clamp(min=MASKED), mask.path)


def mask_of(keep: torch.Tensor) -> Constant:
    """What is added to scores so that only those where `keep` is true count."""
    return Constant(torch.zeros(keep.shape).masked_fill(~keep, MASKED), "mask.scores")
