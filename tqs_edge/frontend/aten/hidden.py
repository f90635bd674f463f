"""Entries set to minus infinity that an exponential turns into zeros (decay masks of SSD, xLSTM).

What such a tensor holds in their place is finite; a fact says which entries count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.values import Constant, Value

aten = torch.ops.aten
MAXIMA = (aten.amax.default, aten.max.dim)


@dataclass(frozen=True, eq=False)
class Hidden:
    """keep: 1.0 where entries count, 0.0 where they stand for minus infinity."""

    keep: torch.Tensor


def only_exponentials_read(node: torch.fx.Node) -> bool:
    """Whether a tensor goes into exponentials and maxima, past sums, and nowhere else."""
    return bool(node.users) and all(_reads_so(user, node) for user in node.users)


def _reads_so(user: torch.fx.Node, node: torch.fx.Node) -> bool:
    if user.target is aten.exp.default or user.target in MAXIMA:
        return True
    first = user.args[0] is node and node not in user.args[1:]
    if user.target is aten.sub.Tensor and not first:
        return False
    joins = user.target in (aten.add.Tensor, aten.sub.Tensor)
    return joins and only_exponentials_read(user)


def hidden_of(e: Emitter, *operands: Any) -> Hidden | None:
    """The fact that a sum of tensors has, from whichever has one."""
    facts = [e.facts.get(x) for x in operands if isinstance(x, torch.fx.Node)]
    return next((fact for fact in facts if isinstance(fact, Hidden)), None)


def hide(e: Emitter, x: Value, keep: torch.Tensor) -> Value:
    """x with zeros in place of hidden entries, and the fact."""
    return noted(e, _kept(e, x, keep), Hidden(keep))


def noted(e: Emitter, x: Value, fact: Hidden | None) -> Value:
    """x, with the fact if there is one."""
    if fact is not None and isinstance(x, torch.fx.Node):
        e.facts[x] = fact
    return x


def _kept(e: Emitter, x: Value, keep: torch.Tensor) -> Value:
    return e.binary(aten.mul.Tensor, x, Constant(keep, "mask.keep"))


def exponential(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """exp(x), zero for hidden entries whatever stands in their place."""
    fact = hidden_of(e, x)
    if fact is None:
        return e.function(x, "exp")
    return _kept(e, e.function(_kept(e, x, fact.keep), "exp"), fact.keep)


def without_hidden(e: Emitter, x: Value, axes: Any) -> Value:
    """x for a maximum over axes: hidden entries become the smallest of them, which never wins."""
    fact = hidden_of(e, x)
    if fact is None:
        return x
    low = e.affine(e.reduce(aten.amax.default, e.affine(x, -1.0), axes), -1.0)
    filled = e.binary(aten.mul.Tensor, low, Constant(1 - fact.keep, "mask.keep"))
    return e.binary(aten.add.Tensor, _kept(e, x, fact.keep), filled)
