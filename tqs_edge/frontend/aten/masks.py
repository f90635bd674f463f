"""Masks of minus infinities on scores, as finite numbers."""

from __future__ import annotations

import torch

from tqs_edge.frontend.aten.values import Constant

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
)


def only_softmax_reads(node: torch.fx.Node) -> bool:
    """Whether scores go into softmaxes and nowhere else."""
    return bool(node.users) and all(
        user.target in SOFTMAX or (user.target in PASSED_ON and only_softmax_reads(user))
        for user in node.users
    )


def masked_scores(mask: Constant) -> Constant:
    """What is added to scores: MASKED for every number below it, minus infinity included."""
    return Constant(mask.value.clamp(min=MASKED), mask.path)


def mask_of(keep: torch.Tensor) -> Constant:
    """What is added to scores so that only those where `keep` is true count."""
    return Constant(torch.zeros(keep.shape).masked_fill(~keep, MASKED), "mask.scores")
