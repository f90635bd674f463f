"""What every kind of MODEL becomes before it is exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.export import ExportedProgram

from tqs_edge.errors import UnsupportedOp
from tqs_edge.graph.rollout_model import RolloutForm


@dataclass(frozen=True, eq=False)
class NamedStep:
    """What the user named, not yet exported: a module in eval mode, or an exported program.

    inputs: example inputs of a module, in the order of forward(). form: if the source states one.
    keywords: example inputs by name instead. original: what to check the step against, if it is
    not the step itself. obstacles: what of it could not be read; without a step, nothing could.
    """

    name: str
    label: str
    step: torch.nn.Module | ExportedProgram | None
    inputs: tuple[Any, ...] = ()
    form: RolloutForm | None = None
    warnings: tuple[str, ...] = ()
    keywords: Mapping[str, torch.Tensor] = field(default_factory=dict)
    original: Callable[..., tuple[torch.Tensor, ...]] | None = None
    obstacles: tuple[UnsupportedOp, ...] = ()
